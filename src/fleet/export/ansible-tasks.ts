/*
 * The task files of an exported plan, as Ansible reads them: what one step is, is in the variable `step`. Nodes are spoken to with `raw`,
 * in one call of ssh and without a Python over there, which a merge may be replacing at that moment. Balancers are spoken to from the
 * machine that Ansible runs on.
 */

/** Stands in ids of steps for what a later run under another name adds to them. */
export const AGAIN = '@AGAIN@';
/** Seconds between two looks at a node that gives no answer, and how often it is looked at: a part of the time that its step has. */
const SILENT_TURNS = 40;

/**
 * A task behind it says what is wrong. Of a node that gives no answer Ansible would go on with those of the next batch; and without
 * `ignore_errors` it would end the play all the same (`any_errors_fatal`).
 */
export const ANY_ANSWER = { failed_when: false, ignore_errors: true, ignore_unreachable: true };

/** What `rookery-step words` has answered to the task of that register: its first line, `done 0`; nothing when it gave no whole answer. */
export function said(register: string): string {
  return `(${register}.stdout | default('') | regex_findall('>>> rookery-step[ \\r\\n]+([^\\r\\n]*)[\\r\\n](?s:.*)<<< rookery-step 0') | first | default(''))`;
}

/** A call of `rookery-step` with the words in a variable, for `raw`: characters that no shell changes. */
export function callOf(words: string, later = "''"): string {
  return `{{ rookery_step | default('/usr/local/sbin/rookery-step') }} words {{ ${words} | replace('${AGAIN}', ${later}) | b64encode }}`;
}

/** What a run with another name adds to an id. */
export const LATER = "'.' ~ rookery_again";

/** What the task of that register has shown, for people. */
export function shown(register: string): string {
  return `{{ ${register}.stdout | default(${register}.msg | default('')) | trim }}`;
}

const HAS_FAILED = `${said('rookery_started')} is match('done [1-9]|interrupted')`;

/** `step`: `id` for people; `start` and `state` words; `seconds`; `delay` between two looks. */
export const NODE_TASKS: readonly unknown[] = [
  {
    name: 'start {{ step.id }}',
    'ansible.builtin.raw': callOf('step.start'),
    register: 'rookery_started',
    changed_when: `${said('rookery_started')} is match('running')`,
    ...ANY_ANSWER,
  },
  {
    name: 'start {{ step.id }} again',
    'ansible.builtin.raw': callOf('step.start', LATER),
    register: 'rookery_restarted',
    changed_when: `${said('rookery_restarted')} is match('running')`,
    ...ANY_ANSWER,
    when: ['rookery_again is defined', HAS_FAILED],
  },
  countTurns('1'),
  { name: 'look at it', 'ansible.builtin.include_tasks': 'look.yml' },
  {
    name: '{{ step.id }} is done',
    'ansible.builtin.fail': {
      msg: `{{ step.id }} has not ended well, and nothing more is done. ${shown('rookery_started')} ${shown('rookery_state')}`,
    },
    when: `${said('rookery_state')} != 'done 0'`,
  },
];

/** A node that gives no answer starts anew, or its sshd does: it is asked again over a connection of its own. */
export const LOOK_TASKS: readonly unknown[] = [
  {
    name: 'the end of {{ step.id }}',
    'ansible.builtin.raw': callOf(
      'step.state',
      `('' if rookery_restarted is skipped else ${LATER})`,
    ),
    register: 'rookery_state',
    until: `${said('rookery_state')} is not match('running')`,
    retries: '{{ (step.seconds / step.delay) | int + 30 }}',
    delay: '{{ step.delay }}',
    // Of one call: a connection may be dead without anybody being told.
    timeout: 60,
    changed_when: false,
    ...ANY_ANSWER,
  },
  {
    name: 'look at it again',
    'ansible.builtin.include_tasks': 'reconnect.yml',
    when: [`${said('rookery_state')} == ''`, `rookery_turn | int < ${SILENT_TURNS}`],
  },
];

export const RECONNECT_TASKS: readonly unknown[] = [
  { name: 'no connection of before', 'ansible.builtin.meta': 'reset_connection' },
  onThisMachine({
    name: 'wait for {{ inventory_hostname }}',
    'ansible.builtin.wait_for': { timeout: `{{ (step.seconds / ${SILENT_TURNS}) | int + 1 }}` },
  }),
  countTurns('{{ rookery_turn | int + 1 }}'),
  { name: 'look at it', 'ansible.builtin.include_tasks': 'look.yml' },
];

/** A balancer is told nothing that it does already, and whoever is in maintenance is not sent his old visitors while he waits. */
const IS_TOLD = [
  "(step.to == 'ready' and (admin | int % 2 == 1 or admin | int // 8 % 2 == 1))",
  "(step.to == 'drain' and admin | int % 2 == 0 and admin | int // 8 % 2 == 0)",
  "(step.to == 'maint' and admin | int % 2 == 0)",
].join(' or ');

/** `step`: `lines` with `socket` for socat, `backend`, `server`; `to`: ready, drain or maint. */
export const BALANCER_TASKS: readonly unknown[] = [
  onThisMachine({
    name: 'how the balancers have {{ inventory_hostname }}',
    'ansible.builtin.raw': socat('item.socket', 'show servers state {{ item.backend }}'),
    loop: '{{ step.lines }}',
    loop_control: { label: '{{ item.socket }}' },
    register: 'rookery_told',
    changed_when: false,
    vars: { admin: adminOf('rookery_told', 'item') },
    failed_when: "rookery_told.rc != 0 or admin == ''",
  }),
  onThisMachine({
    name: 'tell the balancers {{ step.to }}',
    'ansible.builtin.raw': socat(
      'item.item.socket',
      'set server {{ item.item.backend }}/{{ item.item.server }} state {{ step.to }}',
    ),
    loop: '{{ rookery_told.results }}',
    loop_control: { label: '{{ item.item.socket }}' },
    register: 'rookery_answer',
    changed_when: true,
    failed_when: "rookery_answer.rc != 0 or (rookery_answer.stdout | trim) != ''",
    vars: { admin: adminOf('item', 'item.item') },
    when: IS_TOLD,
  }),
];

const IS_MET = [
  "(step.until == 'idle' and (row | length) > 0 and row[0][0] | int + row[0][1] | int == 0)",
  "(step.until == 'up' and (row | length) > 0 and row[0][2] is match('UP|no check'))",
  "(step.until == 'spare' and (others | length) >= step.least | int)",
].join(' or ');

/** `step`: `lines` as above; `until`: idle, up, or spare, which asks for `least` others that serve; `seconds`; `isCut`. */
export const AWAIT_TASKS: readonly unknown[] = [
  onThisMachine({
    name: '{{ inventory_hostname }} in the balancers: {{ step.until }}',
    'ansible.builtin.raw': socat('item.socket', 'show stat {{ item.backend }} 4 -1'),
    loop: '{{ step.lines }}',
    loop_control: { label: '{{ item.socket }}' },
    register: 'rookery_stat',
    changed_when: false,
    vars: { row: rowOf(false), others: rowOf(true) },
    until: IS_MET,
    retries: '{{ step.seconds | int }}',
    delay: 1,
    ignore_errors: '{{ step.isCut }}',
  }),
];

/** As a fact: a variable of an include would be worked out of itself, later. */
function countTurns(turn: string): unknown {
  return { name: 'looks at the node', 'ansible.builtin.set_fact': { rookery_turn: turn } };
}

function onThisMachine(task: Readonly<Record<string, unknown>>): unknown {
  return { ...task, delegate_to: 'localhost', connection: 'local', become: false };
}

/** HAProxy ends the connection after its answer, which may take longer than the half second of socat. */
function socat(place: string, line: string): string {
  return `echo '${line}' | socat -t 10 - {{ ${place} }}`;
}

/** srv_admin_state of `show servers state`: bit 0 is maintenance, bit 3 is drain. */
function adminOf(register: string, line: string): string {
  return `{{ ${register}.stdout | default('') | regex_findall('(?m)^[^ ]+ [^ ]+ [^ ]+ ' ~ (${line}.server | regex_escape) ~ ' [^ ]+ [^ ]+ ([0-9]+) ') | first | default('') }}`;
}

/** Of `show stat`: qcur, scur and status of the member, or of the other members that are up and take visitors. */
function rowOf(isOthers: boolean): string {
  const name = isOthers
    ? "(?!BACKEND,)(?!' ~ (item.server | regex_escape) ~ ',)[^,]*"
    : "' ~ (item.server | regex_escape) ~ '";
  const status = isOthers ? 'UP[^,]*|no check' : '[^,]*';
  return `{{ rookery_stat.stdout | default('') | regex_findall('(?m)^[^,#]*,${name},([0-9]*),[^,]*,([0-9]*),(?:[^,]*,){12}(${status}),') }}`;
}
