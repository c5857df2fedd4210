import { counted, type Findings } from './findings.ts';
import type { Stage } from './plan.ts';
import type { PlanInput } from './plan-input.ts';

/** What people should know before they say yes: how a way back looks. */
export function sayBeforehand(
  input: PlanInput,
  stages: readonly Stage[],
  findings: Findings,
): void {
  if (input.kind === 'app') {
    sayOfRelease(input, stages, findings);
    return;
  }
  const what = input.kind === 'php' ? 'PHP tree' : 'publication';
  findings.remark(
    input.reverses === null
      ? `The way back is a rollout of its own to the ${what} of before; it obeys the same rules and has no canaries.`
      : `This takes back the rollout ${input.reverses}.`,
  );
  if (input.policy.onFailure === 'hold') {
    findings.remark('A unit that fails is held as it is: nothing is undone.');
  }
}

function sayOfRelease(
  { artefacts, reverses }: PlanInput,
  stages: readonly Stage[],
  findings: Findings,
): void {
  const name = artefacts.release?.release ?? '';
  const farms = stages.filter(({ type }) => type === 'farm');
  const first = farms[0]?.units[0]?.farm ?? '';
  if (reverses === null) {
    findings.remark(
      `The way back: until ${first} is ready with ${name}, nobody has seen it, and going back costs nothing. From then on the way is forward, to a release that contains the old code; going back is an emergency, which throws away the sessions that have seen ${name} and needs a second approval.`,
    );
  } else {
    findings.remark(
      `This takes back the rollout ${reverses}, and visitors that have seen the newer release get ${name}: their sessions have to be invalidated, and a second person has to approve it. Their cookie binds them to the backend of the newer one: before the start, give the balancers a configuration with another generation.`,
    );
  }
  findings.remark(
    `${counted(farms.length, 'farm')} one after the other. The release, the schema of the database and the sessions have to be such that the old and the new one work side by side.`,
  );
}
