import type { Farm, Site } from '../inventory/inventory.ts';
import { type FarmUpgrade, peakOf, type SessionMode } from './capacity.ts';
import { type Findings, percent } from './findings.ts';
import { weightOf } from './moment.ts';
import type { RolloutPolicy } from './policy.ts';

/** What stopping, flushing, activating, starting and checking a farm is reckoned to take, seconds. */
const SWITCH_SECONDS = 60;

/** Kind 3: whether the farms that serve bear the load while one after the other is dark. Refuses with numbers, and says what would fit. */
export function requirePeak(
  site: Site,
  farms: readonly Farm[],
  policy: RolloutPolicy,
  findings: Findings,
): void {
  const others = site.farms.filter((farm) => !farms.includes(farm));
  const ordered = [...farms, ...others];
  const upgrade: FarmUpgrade = {
    capacities: ordered.map(({ members }) => weightOf(members)),
    upgrades: farms.length,
    darkSeconds: policy.drainSeconds + SWITCH_SECONDS,
    watchSeconds: policy.soakSeconds,
    sessionSeconds: site.sessionSeconds,
    mode: policy.newSessions === 'upgraded-only' ? 'strict' : 'any-with-floor',
  };
  const peak = peakOf(upgrade);
  const busiest = ordered[peak.farm]?.name ?? site.name;
  const dark = ordered[peak.during]?.name ?? site.name;
  const said = `the busiest farm of ${site.name} is ${busiest} with ${times(peak.times)} its usual load, when it is the turn of ${dark}`;
  sayUnknown(site, upgrade, said, findings);
  if (site.peakLoad === null) {
    return;
  }
  const load = peak.times * site.peakLoad;
  if (load <= 1) {
    findings.remark(
      `Capacity: ${said}: ${percent(load)} of what it bears, at the busiest time (${percent(site.peakLoad)} now).`,
    );
    return;
  }
  const sentence = `It does not fit: ${said}, which is ${percent(load)} of what it bears when the load is ${percent(site.peakLoad)} (${reckoned(upgrade)}). ${proposal(upgrade, site.peakLoad)}`;
  findings.problem('capacity', site.name, sentence);
}

function sayUnknown(site: Site, upgrade: FarmUpgrade, said: string, findings: Findings): void {
  if (upgrade.sessionSeconds === null && upgrade.mode !== 'any-with-floor') {
    findings.remark(
      `How long sessions of ${site.name} live is not known (session-seconds): it is reckoned as if all of them were new at once, which is the worst.`,
    );
  }
  if (site.peakLoad === null) {
    findings.remark(
      `Whether ${site.name} bears it is not known, because its peak-load is not: ${said} (${reckoned(upgrade)}).`,
    );
  }
}

/** What would fit: another policy, a shorter watch, or a quieter time. */
function proposal(upgrade: FarmUpgrade, load: number): string {
  const peakWith = (change: Partial<FarmUpgrade>): number =>
    peakOf({ ...upgrade, ...change }).times;
  const ways: string[] = [];
  const floor: SessionMode = 'any-with-floor';
  const withFloor = peakWith({ mode: floor });
  if (upgrade.mode !== floor && withFloor * load <= 1) {
    ways.push(`new-sessions = "${floor}" (${times(withFloor)})`);
  }
  const watch = [0.5, 0.25, 0.1, 0]
    .map((part) => Math.floor(upgrade.watchSeconds * part))
    .find((watchSeconds) => peakWith({ watchSeconds }) * load <= 1);
  if (watch !== undefined && watch < upgrade.watchSeconds) {
    ways.push(`a soak of ${watch} s (${times(peakWith({ watchSeconds: watch }))})`);
  }
  const quiet = 1 / peakWith({});
  ways.push(
    quiet > 0
      ? `a time when the load is at most ${percent(Math.floor(quiet * 1000) / 1000)}`
      : 'a second farm',
  );
  return `What would fit: ${ways.join('; or ')}.`;
}

function reckoned({ darkSeconds, watchSeconds, sessionSeconds, mode }: FarmUpgrade): string {
  const life =
    sessionSeconds === null
      ? 'sessions of unknown life'
      : `half of the sessions live ${sessionSeconds} s`;
  const where =
    mode === 'any-with-floor' ? 'new sessions anywhere' : 'new sessions to upgraded farms only';
  return `a farm is dark for ${darkSeconds} s and watched for ${watchSeconds} s, ${life}, ${where}`;
}

function times(peak: number): string {
  return `${peak === Infinity ? 'infinite' : peak.toFixed(2)} times`;
}
