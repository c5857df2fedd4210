import { show } from '../../../gentoo/document-faults.ts';
import type { InventoryFile } from '../read-toml.ts';
import type { AnsibleHosts } from './ansible-hosts.ts';
import { expandHosts } from './host-range.ts';

const SECTION = /^\[(?<name>[^\]:]+)(?::(?<kind>[^\]]*))?\]\s*(?:#.*)?$/;
const WORD = /(?:[^\s"'#]|"(?:[^"\\]|\\.)*"|'[^']*'|(?<=\S)#)+/g;

/**
 * Reads an INI inventory: hosts of groups with `key=value`, `[group:vars]`, `[group:children]`, ranges in names, comments after
 * `#` and `;`. Source: Ansible's documentation of the inventory plugin `ini`. Returns sentences for what is wrong.
 */
export function readIni({ name, text }: InventoryFile, into: AnsibleHosts): string[] {
  const faults: string[] = [];
  let section = { name: 'ungrouped', kind: 'hosts' };
  for (const [index, raw] of text.split(/\r?\n/).entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#') || line.startsWith(';')) {
      continue;
    }
    const say = (rule: string): void => {
      faults.push(`${name}, line ${index + 1}: ${show(line)}: it ${rule}.`);
    };
    const { name: group, kind = 'hosts' } = SECTION.exec(line)?.groups ?? {};
    if (group !== undefined) {
      section = { name: group.trim(), kind };
      if (!['hosts', 'vars', 'children'].includes(kind)) {
        say('has to be [group], [group:vars] or [group:children]');
      }
    } else if (section.kind === 'vars') {
      readVariable(line, section.name, { into, say });
    } else if (section.kind === 'children') {
      into.addChild(section.name, line.replace(/\s+#.*$/, ''));
    } else {
      readHosts(line, section.name, { into, say });
    }
  }
  return faults;
}

interface Reading {
  readonly into: AnsibleHosts;
  readonly say: (rule: string) => void;
}

function readVariable(line: string, group: string, { into, say }: Reading): void {
  const at = line.indexOf('=');
  if (at < 1) {
    say('has to be key=value');
    return;
  }
  into.addVars(group, { [line.slice(0, at).trim()]: literal(line.slice(at + 1).trim()) });
}

function readHosts(line: string, group: string, { into, say }: Reading): void {
  const [pattern = '', ...settings] = wordsOf(line);
  const hosts = expandHosts(pattern.replace(/(?<=[^:\]]|\])(?<!:.*):(?=[0-9]+$)[0-9]+$/, ''));
  const port = /^[^:]*(?:\[[^\]]*\][^:]*)*:(?<port>[0-9]+)$/.exec(pattern)?.groups?.['port'];
  if (hosts === undefined) {
    say('has a range of hosts that is none; it has to look like web[01:16]');
    return;
  }
  const vars: Record<string, unknown> = port === undefined ? {} : { ansible_port: Number(port) };
  for (const setting of settings) {
    const at = setting.indexOf('=');
    if (at < 1) {
      say(`has ${show(setting)} after the host, which has to be key=value`);
    } else {
      vars[setting.slice(0, at)] = literal(setting.slice(at + 1));
    }
  }
  hosts.forEach((host) => {
    into.addHost(host, group, vars);
  });
}

/** As a shell would split it; what follows a `#` of its own is a comment. Quotes around a value go. */
function wordsOf(line: string): string[] {
  const end = /\s#/.exec(line)?.index ?? line.length;
  return (line.slice(0, end).match(WORD) ?? []).map((word) =>
    word.replaceAll(/"((?:[^"\\]|\\.)*)"/g, (_, inner: string) => inner.replaceAll(/\\(.)/g, '$1')),
  );
}

/** A literal of Python, as far as JSON and words go; anything else is a text. */
function literal(text: string): unknown {
  const inner = /^'([^']*)'$/.exec(text)?.[1] ?? /^"([^"]*)"$/.exec(text)?.[1];
  if (inner !== undefined) {
    return inner;
  }
  if (/^(?:true|false)$/i.test(text)) {
    return text.toLowerCase() === 'true';
  }
  if (text === 'None') {
    return null;
  }
  if (!/^(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?$|[[{])/.test(text)) {
    return text;
  }
  try {
    return JSON.parse(
      text
        .replaceAll("'", '"')
        .replaceAll(/\bTrue\b/g, 'true')
        .replaceAll(/\bFalse\b/g, 'false'),
    );
  } catch {
    return text;
  }
}
