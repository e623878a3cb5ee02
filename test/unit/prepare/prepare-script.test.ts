import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, constantFrom, oneof, property, string } from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HostProfile, Requirement } from '../../../src/fleet/host-profile.ts';
import { programText } from '../../../src/host/program.ts';
import { prepareScript } from '../../../src/prepare/prepare-script.ts';
import { removeScript } from '../../../src/prepare/remove-script.ts';

const common = { severity: 'error', why: 'a test wants it' } as const;

/** Every kind of requirement, in an order that is not that of the preparation. */
const requirements: readonly Requirement[] = [
  { ...common, id: 'package:gdb', kind: 'package', name: 'gdb', versionOf: [], ifOffered: false },
  { ...common, id: 'package:libc6-dbg', kind: 'package', name: 'libc6-dbg', versionOf: ['libc6'], ifOffered: true },
  { ...common, id: 'free-disk', kind: 'free-disk', path: '/var/tmp/hangar', minBytes: 4294967296, cores: 1.5 },
  {
    ...common,
    id: 'symbol-source',
    kind: 'symbol-source',
    path: '/etc/apt/sources.list.d/ddebs.list',
    text: 'deb [signed-by=/usr/share/keyrings/k.gpg] http://symbols.example xenial main\n',
    obsolete: ['/etc/apt/sources.list.d/ddebs.sources'],
  },
  { ...common, id: 'symbol-key', kind: 'symbol-key', path: '/usr/share/keyrings/k.gpg', from: { base64: 'mQ==' } },
  { ...common, id: 'symbol-repository', kind: 'symbol-repository', url: 'http://symbols.example', suites: ['xenial'] },
  { ...common, id: 'sysctl:a', kind: 'sysctl', name: 'kernel.yama.ptrace_scope', value: '1', orLess: true },
  { ...common, id: 'sysctl:b', kind: 'sysctl', name: 'net.ipv4.ip_default_ttl', value: '64', orLess: false },
  { ...common, id: 'core-directory', kind: 'core-directory', path: '/var/tmp/hangar' },
  { ...common, id: 'host-program', kind: 'host-program', commands: [] },
  { ...common, id: 'sudo-rule', kind: 'sudo-rule', path: '/etc/sudoers.d/hangar', user: 'ops' },
  { ...common, id: 'left-over-cores', kind: 'left-over-cores', path: '/var/tmp/hangar', keepSeconds: 86400 },
  { ...common, id: 'replaced-programs', kind: 'replaced-programs', services: ['apache2'], restart: false },
];
const profile: HostProfile = { name: 'python-web', requirements, allowUpgrades: false };

/** A profile with one requirement of its kind changed. */
function changed<Kind extends Requirement['kind']>(
  kind: Kind,
  changes: Partial<Extract<Requirement, { readonly kind: Kind }>>,
): HostProfile {
  return {
    ...profile,
    requirements: requirements.map(each => (each.kind === kind ? { ...each, ...changes } : each)),
  };
}

describe('the text', () => {
  test.each([
    ['dash', ['dash', '-n']],
    ['busybox sh', ['busybox', 'sh', '-n']],
  ])('of both scripts is a shell script to %s', (_name, [command = '', ...args]) => {
    for (const text of [prepareScript(profile), removeScript(profile)])
      expect(() => execFileSync(command, args, { input: text, stdio: 'pipe' })).not.toThrow();
  });

  test('is a syntax error wherever its last lines are cut off', () => {
    const text = prepareScript(profile);
    const last = text.lastIndexOf('\n{\n');
    for (let end = last + 2; end < text.length - 2; end++)
      expect(() => execFileSync('dash', ['-n'], { input: text.slice(0, end), stdio: 'pipe' })).toThrow('Syntax error');
  });

  test('is the same for the same profile', () => {
    expect(prepareScript(structuredClone(profile))).toBe(prepareScript(profile));
  });

  test('carries the host program as it is', () => {
    const script = prepareScript(profile);
    const start = script.indexOf('program_text() {');
    const functionText = script.slice(start, script.indexOf('\n}\n', script.indexOf('\nEND_OF_HOST_PROGRAM\n')) + 3);
    const printed = execFileSync('dash', ['-c', `${functionText}program_text`], { encoding: 'utf8' });
    expect(printed).toBe(programText());
  });
});

describe('what a script calls', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'hangar-prepare-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  /** The calls with their arguments, as the shell sees them, instead of what they do. */
  function callsOf(script: string): readonly (readonly string[])[] {
    const names = ['requirement', 'persist', 'persist_all', 'install_wanted', 'begin_lists', 'leave_stamp'];
    const stubs = names.map(name => `${name}() { printf '%s\\0' ${name} "$@"; printf '\\n\\0'; }\n`);
    const calls = script.slice(script.indexOf('\nallow_upgrades='));
    const file = join(folder, 'calls.sh');
    writeFileSync(file, `${stubs.join('')}run_alone() { "$@"; exit; }\n${calls}`);
    const words = execFileSync('dash', ['-eu', file, 'token'], { encoding: 'utf8' }).split('\0').slice(0, -1);
    const found: string[][] = [[]];
    for (const word of words) {
      if (word === '\n') found.push([]);
      else found.at(-1)?.push(word);
    }
    return found.slice(0, -1);
  }

  /** Arguments of the calls for one requirement, from the function's name on. */
  function callsFor(script: string, id: string): readonly (readonly string[])[] {
    return callsOf(script).flatMap(([name, of, , ...call]) => (name === 'requirement' && of === id ? [call] : []));
  }

  test('meets each requirement, keys before sources before packages, and judges the disk last', () => {
    const order = callsOf(prepareScript(profile)).map(([name, , , call]) => (name === 'requirement' ? call : name));
    expect(order).toEqual([
      'begin_lists',
      'make_room',
      'have_symbol_key',
      'have_symbol_source',
      'want_package',
      'want_package',
      'install_wanted',
      'persist',
      'persist',
      'persist_all',
      'have_sysctl',
      'have_sysctl',
      'have_core_directory',
      'have_host_program',
      'have_sudo_rule',
      'have_no_left_over_cores',
      'keep_cores',
      'have_free_disk',
      'leave_stamp',
    ]);
  });

  /** Ids of the requirements that are met. */
  function idsOf(only: readonly string[]): readonly (string | undefined)[] {
    return callsOf(prepareScript(profile, { only })).flatMap(([name, id]) => (name === 'requirement' ? [id] : []));
  }

  test('meets those alone that are asked for, and none for a name that the profile does not have', () => {
    expect(idsOf(['package:gdb', 'host-program'])).toEqual(['package:gdb', 'host-program']);
    expect(idsOf(['package:emacs'])).toEqual([]);
  });

  test('keeps all kernel settings in their file where one of them is asked for', () => {
    const calls = callsOf(prepareScript(profile, { only: ['sysctl:a'] }));
    expect(calls).toContainEqual(['persist', 'net.ipv4.ip_default_ttl', '64', 'no']);
    expect(calls.filter(call => call.includes('have_sysctl'))).toHaveLength(1);
  });

  test('writes a source of the one-line form where the profile has it, and removes the other form', () => {
    expect(callsFor(prepareScript(profile), 'symbol-source')).toEqual([
      [
        'have_symbol_source',
        '/etc/apt/sources.list.d/ddebs.list',
        'deb [signed-by=/usr/share/keyrings/k.gpg] http://symbols.example xenial main\n',
        '/etc/apt/sources.list.d/ddebs.sources',
      ],
    ]);
  });

  test('restarts services only where the profile says so, or the operator asked for just that', () => {
    const restarts = [['have_current_programs', 'apache2']];
    expect(callsFor(prepareScript(profile), 'replaced-programs')).toEqual([]);
    expect(callsFor(prepareScript(profile, { only: ['replaced-programs'] }), 'replaced-programs')).toEqual(restarts);
    expect(callsFor(prepareScript(changed('replaced-programs', { restart: true })), 'replaced-programs')).toEqual(
      restarts,
    );
  });

  test('takes cores out of the cleaning of /var/tmp where they may stay', () => {
    const lasting = { ...profile, requirements: requirements.filter(({ kind }) => kind !== 'left-over-cores') };
    expect(callsFor(prepareScript(lasting), 'core-directory').flat().at(-1)).toMatch(/\nx \/var\/tmp\/hangar\n$/);
    expect(callsFor(prepareScript(profile), 'left-over-cores').flat().at(-1)).toMatch(
      /\ne \/var\/tmp\/hangar - - - 86400s\n$/,
    );
  });

  test.each(['ALL', 'OPS_TEAM', '%admin', '#0', '+web', 'a b', '', 'ops\nALL', '!ops'])(
    'gives no rule to "%s", which sudoers(5) reads as somebody else',
    user => {
      const [call] = callsFor(prepareScript(changed('sudo-rule', { user })), 'sudo-rule');
      expect(call?.[0]).toBe('cannot');
    },
  );

  test.each(['tmp/x', '/', '/tmp/../etc', '/tmp/a b', '/tmp//x', '/tmp/x/', '/tmp/%h', '/tmp/x\ny'])(
    'refuses "%s" as a directory of cores',
    path => {
      const [call] = callsFor(prepareScript(changed('core-directory', { path })), 'core-directory');
      expect(call?.[0]).toBe('cannot');
    },
  );

  test('hands over whatever a profile holds, unread by the shell', () => {
    const text = string({ unit: 'grapheme', maxLength: 40 }).filter(each => !each.includes('\0'));
    const nasty = oneof(text, constantFrom("'", "$(touch x)'", '`id`\n}', '\\', '"; exit', '#', '-n'));
    assert(
      property(nasty, nasty, nasty, nasty, (source, value, base64, service) => {
        const hostile: HostProfile = {
          ...profile,
          requirements: requirements.map((each): Requirement => {
            switch (each.kind) {
              case 'symbol-source':
                return { ...each, text: source };
              case 'sysctl':
                return { ...each, value };
              case 'symbol-key':
                return { ...each, from: { base64 } };
              case 'replaced-programs':
                return { ...each, services: [service], restart: true };
              default:
                return each;
            }
          }),
        };
        const script = prepareScript(hostile);
        expect(callsFor(script, 'symbol-source')[0]?.[2]).toBe(source);
        expect(callsFor(script, 'sysctl:b')[0]).toEqual(['have_sysctl', 'net.ipv4.ip_default_ttl', value, 'no']);
        expect(callsFor(script, 'symbol-key')[0]?.[2]).toBe(base64);
        expect(callsFor(script, 'replaced-programs')[0]).toEqual(['have_current_programs', service]);
      }),
      { numRuns: 40 },
    );
  });
});
