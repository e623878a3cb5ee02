import { array, assert, asyncProperty, constantFrom, nat, tuple } from 'fast-check';
import { expect, test } from 'vitest';
import { HangarError } from '../../../src/errors.ts';
import { loadRunbook } from '../../../src/runbook/load-runbook.ts';
import { stepKinds } from '../../../src/steps/index.ts';
import { book } from './fake-kinds.ts';

/** What is wrong, the file, and all that is said of it: `line:column: message`, in the order of the file. */
type Wrong = readonly [what: string, text: string, ...problems: string[]];

/** A runbook of one step with these keys more; they begin in column 27 of line 5. */
const step = (keys: string): string => book(`  - { id: a, run: "true", ${keys} }\n`);
/** A runbook of one step of that kind; its inputs begin in column 33 or so of line 5. */
const uses = (kind: string, keys = ''): string => book(`  - { id: a, uses: ${kind}${keys} }\n`);
const include = (input: string, keys = '', rest = ''): string =>
  book(`  - { id: a, uses: include, with: ${input}${keys} }\n`, rest);
/** A runbook with this param in line 5. */
const param = (text: string): string => book('  - { id: a, run: "true" }\n', `params:\n  ${text}\n`);
const fanout = (text: string): string => book('  - { id: a, run: "true" }\n', `fanout: ${text}\n`);
/** Step a with these keys in line 5, step b that reads its exit code in line 6. */
const reader = (keys: string): string =>
  book(`  - { id: a, run: "true"${keys} }\n  - { id: b, run: "true", when: steps.a.exitCode == 0 }\n`);

/** What the wrong ones include. */
const others: Readonly<Record<string, string>> = {
  'part.yaml': `version: 1
name: part
summary: A part.
params:
  who: { type: string, required: true }
  count: { type: integer, min: 2 }
  mode: { type: enum, values: [fast, safe] }
  key: { type: secret }
  names: { type: list }
steps:
  - { id: p, run: "true" }
  - { id: q, run: "true", when: has(params.count) }
`,
  'keyed.yaml': `version: 1
name: keyed
summary: A part with a secret.
params: { key: { type: secret, default: env:TOKEN } }
steps: [{ id: p, run: "true" }]
`,
  'ring.yaml': `version: 1
name: ring
summary: Includes what includes it.
steps:
  - { id: p, uses: include, with: { runbook: book } }
`,
  'broken.yaml': `version: 1
name: broken
summary: Has mistakes of its own.
steps:
  - { id: p, run: "true", timeout: 0s }
  - { id: q, run: "true", needs: [q] }
`,
};

const yaml: readonly Wrong[] = [
  ['an empty file', '', '1:1: the file is empty'],
  ['a file of comments', '# later\n', '1:1: the file is empty'],
  ['a list', '- a\n', '1:1: expected a map, found a list'],
  [
    'a tab',
    'version: 1\nname: book\nsummary: A.\nsteps:\n\t- { id: a, run: x }\n',
    '5:1: tabs are not allowed as indentation',
  ],
  ['a key that stands twice', book('  - id: a\n    run: x\n    run: y\n'), '7:5: "run" stands here twice'],
  [
    'a map that is not closed',
    book('  - { id: a, run: x\n'),
    '6:1: flow map in block collection must be sufficiently indented and end with a }',
  ],
  [
    'an indentation that fits nothing',
    book('  - id: a\n     run: x\n'),
    '5:9: no map can begin here: quote a text that holds ": ", and begin the keys of a map in one column',
  ],
  [
    '": " in a plain text',
    book('  - id: a\n    run: echo a: b\n'),
    '6:10: no map can begin here: quote a text that holds ": ", and begin the keys of a map in one column',
  ],
  [
    'a second document',
    book('  - { id: a, run: x }\n---\nversion: 1\n'),
    '6:1: a file holds one document: no second "---"',
  ],
  ['an alias of nothing', book('  - { id: a, run: *x }\n'), '5:19: there is no "&x" before this'],
  ['a tag that nobody knows', book('  - { id: a, run: !x y }\n'), '5:19: unresolved tag: !x'],
  [
    '${{ }} without quotes inside { }',
    book('  - { id: a, run: x, env: { A: ${{ host.name }} } }\n'),
    '5:33: unexpected flow-map-start at node end: quote a text that holds { } [ ] or quotes',
  ],
  [
    '[ ] without quotes inside { }',
    book('  - { id: a, run: x, when: host.labels["role"] == "x" }\n'),
    '5:39: unexpected flow-seq-start at node end: quote a text that holds { } [ ] or quotes',
  ],
  [
    '"," without quotes inside { }',
    book('  - { id: a, run: x, when: [1].exists(x, x == 1) }\n'),
    '5:31: unexpected scalar at node end: quote a text that holds { } [ ] or quotes',
  ],
  [
    'a call with "," without quotes',
    book('  - { id: a, run: x, when: host.name.matches(a, b) }\n'),
    '5:49: "b)" is not known here: quote a text that holds "," or ": "',
  ],
];

const shape: readonly Wrong[] = [
  ['a file without steps', 'version: 1\nname: book\nsummary: A.\n', '1:1: "steps" is missing'],
  [
    'a file that has nothing it needs',
    'params: {}\n',
    '1:1: "version" is missing',
    '1:1: "name" is missing',
    '1:1: "summary" is missing',
    '1:1: "steps" is missing',
  ],
  ['another version', book('  - { id: a, run: x }\n').replace('version: 1', 'version: 2'), '1:10: expected 1, found 2'],
  [
    'a name of another type',
    book('  - { id: a, run: x }\n').replace('name: book', 'name: 3'),
    '2:7: expected a text, found 3',
  ],
  [
    'a name in upper case',
    book('  - { id: a, run: x }\n').replace('name: book', 'name: Book'),
    '2:7: "Book" is no name: use lower case, digits, "-"',
  ],
  [
    'the name of a command',
    book('  - { id: a, run: x }\n').replace('name: book', 'name: list'),
    '2:7: "list" is a command of the command line',
  ],
  [
    'an empty summary',
    book('  - { id: a, run: x }\n').replace('A test.', '""'),
    '3:10: expected a text that is not empty',
  ],
  [
    'an unknown key of the file',
    book('  - { id: a, run: x }\n', 'parms: {}\n'),
    '4:1: "parms" is not known here; did you mean "params"?',
  ],
  ['no steps at all', 'version: 1\nname: book\nsummary: A.\nsteps: []\n', '4:8: expected a list that is not empty'],
  ['steps that are nothing', 'version: 1\nname: book\nsummary: A.\nsteps:\n', '4:7: expected a list, found nothing'],
  [
    'steps that are a map',
    'version: 1\nname: book\nsummary: A.\nsteps: { a: { run: x } }\n',
    '4:8: expected a list, found a map',
  ],
  ['a step that is a text', book('  - reboot\n'), '5:5: expected a map, found "reboot"'],
  ['a step without an id', book('  - { run: x }\n'), '5:5: "id" is missing'],
  ['an unknown key of a step', step('retrys: 3'), '5:27: "retrys" is not known here; did you mean "retry"?'],
  ['an unknown key that resembles none', step('colour: red'), '5:27: "colour" is not known here'],
  [
    'an unknown key in a rescue',
    step('rescue: [{ id: r, run: x, whn: "true" }]'),
    '5:53: "whn" is not known here; did you mean "when"?',
  ],
  [
    'an unknown key in an always in a rescue',
    step('rescue: [{ id: r, run: x, always: [{ id: q, run: x, wen: "true" }] }]'),
    '5:79: "wen" is not known here; did you mean "when"?',
  ],
  [
    'an unknown key in always',
    `${book('  - { id: a, run: x }\n')}always: [{ id: z, run: x, timout: 3s }]\n`,
    '6:27: "timout" is not known here; did you mean "timeout"?',
  ],
  [
    'an unknown key in fanout',
    fanout('{ concurency: 3 }'),
    '4:11: "concurency" is not known here; did you mean "concurrency"?',
  ],
  [
    'an unknown key in retry',
    step('retry: { attempts: 3, delays: 2s }'),
    '5:49: "delays" is not known here; did you mean "delay"?',
  ],
  ['an unknown risk', step('risk: danger'), '5:33: expected one of read, write, disruptive, found "danger"'],
  ['an unknown place', step('where: hosts'), '5:34: expected one of host, controller, found "hosts"'],
  [
    'an unknown answer to a crash',
    step('onUnknown: retry'),
    '5:38: expected one of ask, rerun, skip, fail, found "retry"',
  ],
  ['yes for true', step('become: yes'), '5:35: expected true or false, found "yes"'],
  ['a way to become root', step('become: sudo'), '5:35: expected true or false, found "sudo"'],
  ['a rescue that is one step', step('rescue: { id: r, run: x }'), '5:35: expected a list, found a map'],
  ['a list in shell text', book('  - { id: a, run: [x, y] }\n'), '5:19: expected a text, found a list'],
  ['empty shell text', book('  - { id: a, run: "" }\n'), '5:19: expected a text that is not empty'],
  ['retry as a number', step('retry: 3'), '5:34: expected a map, found 3'],
  ['retry without attempts', step('retry: { delay: 2s }'), '5:34: "attempts" is missing'],
  ['no attempt', step('retry: { attempts: 0 }'), '5:46: too small: expected number to be >=1'],
  ['a delay without a unit', step('retry: { attempts: 3, delay: 2 }'), '5:56: a duration is "30s", "5m", "1m30s"'],
  ['a delay that shrinks', step('retry: { attempts: 3, backoff: 0.5 }'), '5:58: too small: expected number to be >=1'],
  [
    'an unknown reason to retry',
    step('retry: { attempts: 3, on: [conection] }'),
    '5:54: expected timeout, connection, or an exit code, found "conection"',
  ],
  [
    'one reason to retry that is no list',
    step('retry: { attempts: 3, on: connection }'),
    '5:53: expected a list, found "connection"',
  ],
  ['a time-out without a unit', step('timeout: 30'), '5:36: a duration is "30s", "5m", "1m30s"'],
  ['a time-out that is none', step('timeout: soon'), '5:36: a duration is "30s", "5m", "1m30s"'],
  ['a time-out of no time', step('timeout: 0s'), '5:36: "0s" leaves no time at all'],
  ['no time between the request to end and the kill', step('killAfter: 0ms'), '5:38: "0ms" leaves no time at all'],
  ['a condition that is a number', step('when: 3'), '5:33: expected a condition: true, false, or bare CEL, found 3'],
  ['a condition that is nothing', step('when:'), '5:33: expected a condition: true, false, or bare CEL, found nothing'],
  ['an empty condition', step('continueOnError: ""'), '5:44: expected a bare CEL expression, found ""'],
  ['a list that is no expression', step('foreach: [a, b]'), '5:36: expected a bare CEL expression, found a list'],
  ['no item at a time', step('foreach: "[1]", concurrency: 0'), '5:56: too small: expected number to be >=1'],
  [
    'a variable name that the shell does not take',
    step('env: { A-B: x }'),
    '5:34: "A-B": a variable name has letters, digits and "_"',
  ],
  [
    'a variable that is a list',
    step('env: { A: [x] }'),
    '5:37: expected a text, a number, true, or false, found a list',
  ],
  ['a variable that is nothing', step('env: { A: }'), '5:37: expected a text, a number, true, or false, found nothing'],
  ['variables as a list', step('env: [A]'), '5:32: expected a map, found a list'],
  ['inputs as a list', uses('analyze', ', with: [a]'), '5:35: expected a map, found a list'],
];

const fanouts: readonly Wrong[] = [
  ['a fanout that is a number', fanout('3'), '4:9: expected a map, found 3'],
  ['no host at a time', fanout('{ concurrency: 0 }'), '4:24: too small: expected number to be >=1'],
  ['a share where a number stands', fanout('{ concurrency: 10% }'), '4:24: expected a number, found "10%"'],
  ['a batch in words', fanout('{ serial: half }'), '4:19: a share is "10%"'],
  ['a batch in words in a list', fanout('{ serial: [1, half] }'), '4:23: a share is "10%"'],
  ['a batch of no hosts', fanout('{ serial: 0 }'), '4:19: a batch of no hosts never ends'],
  ['a batch of 0% in a list', fanout('{ serial: [1, 0%] }'), '4:23: a batch of no hosts never ends'],
  ['no batches', fanout('{ serial: [] }'), '4:19: expected a list that is not empty'],
  ['a batch of more than all', fanout('{ serial: 150% }'), '4:19: a share is at most 100%'],
  ['failures of more than all', fanout('{ maxFailures: 101% }'), '4:24: a share is at most 100%'],
  ['failures below none', fanout('{ maxFailures: -1 }'), '4:24: too small: expected number to be >=0'],
  [
    'an unknown order',
    fanout('{ order: alphabet }'),
    '4:18: expected one of inventory, reverse, name, random, found "alphabet"',
  ],
];

const params: readonly Wrong[] = [
  ['a param that is nothing', param('p:'), '5:5: expected a map, found nothing'],
  ['a param that is only its type', param('p: string'), '5:6: expected a map, found "string"'],
  ['a param without a type', param('p: { default: x }'), '5:6: "type" is missing'],
  [
    'an unknown type',
    param('p: { type: str }'),
    '5:14: expected one of string, integer, number, boolean, duration, size, enum, list, path, secret, found "str"',
  ],
  [
    'an unknown key of a param',
    param('p: { type: string, defualt: x }'),
    '5:22: "defualt" is not known here; did you mean "default"?',
  ],
  ['params as a list', book('  - { id: a, run: x }\n', 'params: [a]\n'), '4:9: expected a map, found a list'],
  ['a param in kebab-case', param('my-param: { type: string }'), '5:3: "my-param" is no name: use camelCase'],
  ['a param that is a word of CEL', param('in: { type: string }'), '5:3: "in" is a word of CEL: use another name'],
  [
    'a param that is an option',
    param('dryRun: { type: boolean }'),
    '5:3: "dryRun" is an option of the command line itself',
  ],
  [
    'a param that would be read as a negation',
    param('noWait: { type: boolean }'),
    '5:3: "noWait" is an option of the command line itself',
  ],
  ['required as a text', param('p: { type: string, required: yes }'), '5:32: expected true or false, found "yes"'],
  [
    'required with a default',
    param('p: { type: string, required: true, default: x }'),
    '5:32: a param with a default is never missing',
  ],
  ['a text that is a number', param('p: { type: string, default: 5 }'), '5:31: expected a text, found 5'],
  ['an empty default', param('p: { type: string, default: "" }'), '5:31: expected a text, found ""'],
  [
    'a default that is nothing',
    param('p: { type: string, default: }'),
    '5:31: expected a text, a number, true, false, or a list of texts, found nothing',
  ],
  [
    'a default that is a map',
    param('p: { type: string, default: { a: b } }'),
    '5:31: expected a text, a number, true, false, or a list of texts, found a map',
  ],
  [
    'a whole number with a fraction',
    param('p: { type: integer, default: 1.5 }'),
    '5:32: expected a whole number, found 1.5',
  ],
  ['a number in words', param('p: { type: number, default: many }'), '5:31: expected a number, found "many"'],
  ['a boolean that is yes', param('p: { type: boolean, default: yes }'), '5:32: expected true or false, found "yes"'],
  [
    'a duration without a unit',
    param('p: { type: duration, default: 30 }'),
    '5:33: expected a duration like 30s or 5m, found 30',
  ],
  ['a size in words', param('p: { type: size, default: big }'), '5:29: expected a size like 4GiB, found "big"'],
  ['a size below nothing', param('p: { type: size, default: -1 }'), '5:29: expected a size like 4GiB, found -1'],
  [
    'a list of numbers',
    param('p: { type: list, default: [1, 2] }'),
    '5:29: expected a text, a number, true, false, or a list of texts, found a list',
  ],
  ['an enum without values', param('p: { type: enum }'), '5:6: an enum needs values: [a, b]'],
  ['an enum of no values', param('p: { type: enum, values: [] }'), '5:28: expected a list that is not empty'],
  [
    'an enum of numbers',
    param('p: { type: enum, values: [1, 2] }'),
    '5:29: expected a text, found 1',
    '5:32: expected a text, found 2',
  ],
  ['a value that stands twice', param('p: { type: enum, values: [a, b, a] }'), '5:35: "a" stands here twice'],
  [
    'values of what is no enum',
    param('p: { type: string, values: [a] }'),
    '5:30: only an enum has values, this is a string',
  ],
  [
    'a default that is no value',
    param('p: { type: enum, values: [service, worker], default: servce }'),
    '5:56: expected one of service, worker, found "servce"',
  ],
  [
    'a pattern of a number',
    param('p: { type: integer, pattern: a }'),
    '5:32: only a string or a path has a pattern, this is an integer',
  ],
  ['a pattern that is none', param('p: { type: string, pattern: "(" }'), '5:31: not a regular expression'],
  [
    'a default that does not match',
    param('p: { type: string, pattern: "[a-z]+", default: A1 }'),
    '5:50: expected text that matches [a-z]+, found "A1"',
  ],
  [
    'a bound of a text',
    param('p: { type: string, min: 1 }'),
    '5:27: only integer, number, duration, size have "min", this is a string',
  ],
  ['a bound of another type', param('p: { type: duration, max: x }'), '5:29: expected a duration, found "x"'],
  ['a bound without a unit', param('p: { type: duration, min: 30 }'), '5:29: expected a duration, found 30'],
  ['a bound that is a text', param('p: { type: integer, min: "2" }'), '5:28: expected an integer, found "2"'],
  [
    'a bound that is a list',
    param('p: { type: integer, min: [2] }'),
    '5:28: expected a number, a duration, or a size, found a list',
  ],
  ['bounds that leave nothing', param('p: { type: size, min: 2KiB, max: 1KiB }'), '5:25: min 2KiB is above max 1KiB'],
  [
    'a default below its bound',
    param('p: { type: integer, min: 2, default: 1 }'),
    '5:40: expected at least 2, found 1',
  ],
  [
    'a default above its bound',
    param('p: { type: duration, max: 1m, default: 2m }'),
    '5:42: expected at most 60, found 120',
  ],
  [
    'a secret that stands in the file',
    param('p: { type: secret, default: hunter2 }'),
    '5:31: a secret is given by reference: env:NAME, file:PATH or cmd:COMMAND',
  ],
  [
    'a secret that is a number',
    param('p: { type: secret, default: 123456 }'),
    '5:31: a secret is given by reference: env:NAME, file:PATH or cmd:COMMAND',
  ],
  [
    'a secret in a list',
    param('p: { type: secret, default: [hunter2, 3] }'),
    '5:31: expected a text, a number, true, false, or a list of texts',
  ],
  [
    'a secret in a map',
    param('p: { type: secret, default: { a: hunter2 } }'),
    '5:31: expected a text, a number, true, false, or a list of texts',
  ],
  [
    'a reference to nothing',
    param('p: { type: secret, default: "env:" }'),
    '5:31: a secret is given by reference: env:NAME, file:PATH or cmd:COMMAND',
  ],
];

const steps: readonly Wrong[] = [
  [
    'a step that does nothing',
    book('  - { id: a }\n'),
    '5:5: what it does is missing: `uses: KIND`, or `run: |` with shell text',
  ],
  [
    'shell text of another kind',
    step('uses: analyze'),
    '5:14: "run" is short for `uses: shell`, this step uses analyze',
  ],
  ['an unknown kind', uses('analyse'), '5:20: there is no step kind "analyse"; did you mean "analyze"?'],
  ['an unknown kind with shell text', step('uses: shel'), '5:33: there is no step kind "shel"; did you mean "shell"?'],
  ['the shell without text', uses('shell'), '5:5: shell needs the input "run"'],
  ['shell text twice', uses('shell', ', with: { run: x }, run: y'), '5:35: "run" stands beside "with" too'],
  [
    'variables of a kind that has none',
    uses('analyze', ', env: { A: b }'),
    '5:29: a step that uses analyze has no "env"',
  ],
  [
    'outputs of a kind that has none',
    uses('analyze', ', outputs: { x: text }'),
    '5:29: a step that uses analyze has no "outputs"',
  ],
  [
    'root for a kind that has no use for it',
    uses('analyze', ', become: true'),
    '5:29: a step that uses analyze has no "become"',
  ],
  [
    'an unknown input',
    uses('find-process', ', with: { servce: x }'),
    '5:42: "servce" is no input of find-process; did you mean "service"?',
  ],
  [
    'an input with the name of a method',
    uses('find-process', ', with: { constructor: x }'),
    '5:42: "constructor" is no input of find-process; there is service, pid, whenUnsure',
  ],
  ['an input that is nothing', uses('find-process', ', with: { service: }'), '5:51: expected a text, found nothing'],
  [
    'an input that is none of its values',
    uses('find-process', ', with: { whenUnsure: maybe }'),
    '5:54: expected one of ask, stop, found "maybe"',
  ],
  [
    'an input out of bounds',
    uses('wait-for', ', with: { port: 80000 }'),
    '5:44: too big: expected number to be <=65535',
  ],
  [
    'an input of another type',
    uses('collect-evidence', ', with: { pid: "12" }'),
    '5:51: expected a whole number, found "12"',
  ],
  [
    'an input of another type in a list',
    uses('script', ', with: { path: x, args: [1] }'),
    '5:52: expected a text, found 1',
  ],
  [
    'an input that is no duration',
    uses('wait-for', ', with: { port: 80, interval: soon }'),
    '5:58: a duration is "30s", "5m", "1m30s"',
  ],
  [
    'inputs that exclude each other',
    uses('wait-for', ', with: { port: 80, file: /x }'),
    '5:5: expected exactly one of port, http, file, command',
  ],
  [
    'an input that is an expression of another type',
    uses('assert', ', with: { that: "${{ host.name }}" }'),
    '5:42: expected bool, the expression gives string',
  ],
  [
    'an input that may be none of its values',
    book(
      '  - { id: a, uses: find-process, with: { whenUnsure: "${{ params.p }}" } }\n',
      'params: { p: { type: enum, values: [ask, never], default: ask } }\n',
    ),
    '6:54: it may be "never", which is not taken here',
  ],
  [
    'a value in shell text',
    book('  - id: a\n    run: |\n      echo hello\n      echo ${{ host.name }}\n'),
    '8:12: values never enter shell text: name them under `env`, and use "$NAME" here',
  ],
  [
    'a value in shell text under with',
    uses('shell', ', with: { run: "echo ${{ host.name }}" }'),
    '5:46: values never enter shell text: name them under `env`, and use "$NAME" here',
  ],
  [
    'a value in the text of a check',
    step('check: "test ${{ host.name }}"'),
    '5:40: values never enter shell text: name them under `env`, and use "$NAME" here',
  ],
  [
    'a value in the command of another kind',
    uses('wait-for', ', with: { command: "test ${{ host.name }}" }'),
    '5:53: values never enter shell text: name them under `env`, and use "$NAME" here',
  ],
  [
    'a variable that is a whole list',
    book('  - { id: a, run: x, env: { A: "${{ params.p }}" } }\n', 'params: { p: { type: list, default: [a] } }\n'),
    '6:32: expected a text, a number, true, or false, the expression gives list',
  ],
  ['check and creates', step('check: x, creates: /y'), '5:37: either "check" or "creates", not both'],
  ['a concurrency without items', step('concurrency: 3'), '5:27: only a step with "foreach" has a concurrency'],
  ['items of a text', step('foreach: host.name'), '5:36: expected a list, the expression gives string'],
  ['items of a map', step('foreach: host.labels'), '5:36: expected a list, the expression gives map'],
  [
    'an item without items',
    step('env: { A: "${{ item }}" }'),
    '5:42: there is no "item"; there is params, steps, host, run',
  ],
  [
    'an item in the condition of the whole step',
    step('foreach: "[1]", when: item == 1'),
    '5:49: there is no "item"; there is params, steps, host, run',
  ],
  [
    'an item in a rescue',
    step('foreach: "[1]", rescue: [{ id: r, run: x, env: { A: "${{ item }}" } }]'),
    '5:84: there is no "item"; there is params, steps, host, run, failure',
  ],
  [
    'an output of an item behind all of them',
    step('foreach: "[1]", finishWhen: steps.a.exitCode == 0'),
    '5:55: there is no "exitCode" in steps.a; there is results',
  ],
  [
    'the results of all items behind one of them',
    step('foreach: "[1]", failedWhen: size(steps.a.results) == 0'),
    '5:60: there is no "results" in steps.a; there is exitCode, stdout, stderr, truncated',
  ],
  [
    'a failure outside of rescue and always',
    step('when: failure.code == "NO_GDB"'),
    '5:33: there is no "failure"; there is params, steps, host, run',
  ],
  [
    'a failure that may not be',
    `${book('  - { id: a, run: x }\n')}always: [{ id: z, run: x, when: failure.code == "NO_GDB" }]\n`,
    '6:33: nothing may have failed: ask has(failure.code) first',
  ],
  [
    'an unknown field of a failure',
    `${book('  - { id: a, run: x }\n')}rescue: [{ id: r, run: x, when: failure.cod == "NO_GDB" }]\n`,
    '6:33: there is no "cod" in failure; did you mean "code"?',
  ],
  [
    'an end of the run in a rescue',
    step('rescue: [{ id: r, run: x, finishWhen: "true" }]'),
    '5:53: only a step of the main list ends the run',
  ],
  [
    'an end of the run in always',
    `${book('  - { id: a, run: x }\n')}always: [{ id: z, run: x, finishWhen: true }]\n`,
    '6:27: only a step of the main list ends the run',
  ],
  [
    'needs in a rescue',
    step('rescue: [{ id: r, run: x, needs: [a] }]'),
    '5:53: these steps run one after the other: no needs',
  ],
  [
    'needs in always',
    `${book('  - { id: a, run: x }\n')}always: [{ id: z, run: x, needs: [] }]\n`,
    '6:27: these steps run one after the other: no needs',
  ],
  ['needs that are a text', step('needs: b'), '5:34: expected a list, found "b"'],
  ['a need of itself', step('needs: [a]'), '5:35: "a" cannot need itself'],
  [
    'an unknown need',
    book('  - { id: find, run: x }\n  - { id: b, run: x, needs: [fnid] }\n'),
    '6:30: there is no step "fnid"; did you mean "find"?',
  ],
  [
    'a need that stands twice',
    book('  - { id: a, run: x }\n  - { id: b, run: x, needs: [a, a] }\n'),
    '6:33: "a" stands here twice',
  ],
  [
    'a need of a step in a rescue',
    book('  - { id: a, run: x, rescue: [{ id: r, run: x }] }\n  - { id: b, run: x, needs: [r] }\n'),
    '6:30: "r" runs in a rescue or always: no step can need it',
  ],
  [
    'a circle of two',
    book('  - { id: a, run: x, needs: [b] }\n  - { id: b, run: x }\n'),
    '5:30: "a" and "b" need each other',
  ],
  [
    'a circle of three',
    book('  - { id: a, run: x, needs: [c] }\n  - { id: b, run: x, needs: [a] }\n  - { id: c, run: x, needs: [b] }\n'),
    '5:30: "a" and "c" need each other',
    '6:30: "b" and "a" need each other',
    '7:30: "c" and "b" need each other',
  ],
  ['two steps of one name', book('  - { id: a, run: x }\n  - { id: a, run: y }\n'), '6:11: there are two steps "a"'],
  [
    'two steps of one name, one of them in a rescue',
    step('rescue: [{ id: a, run: x }]'),
    '5:42: there are two steps "a"',
  ],
  [
    'two steps of one name, one of them in always',
    `${book('  - { id: a, run: x }\n')}always: [{ id: a, run: x }]\n`,
    '6:16: there are two steps "a"',
  ],
  ['a step in kebab-case', book('  - { id: a-b, run: x }\n'), '5:11: "a-b" is no name: use camelCase'],
  ['a step that is a word of CEL', book('  - { id: in, run: x }\n'), '5:11: "in" is a word of CEL: use another name'],
];

const outputs: readonly Wrong[] = [
  ['an output that is no regular expression', step('outputs: { x: { regex: "(" } }'), '5:50: not a regular expression'],
  ['an output of an unknown form', step('outputs: { x: yaml }'), '5:41: expected text, json, { regex } or { file }'],
  [
    'an output with an unknown key',
    step('outputs: { x: { regexp: a } }'),
    '5:41: expected text, json, { regex } or { file }',
  ],
  ['an output that is nothing', step('outputs: { x: }'), '5:41: expected text, json, { regex } or { file }'],
  [
    'an output of an unknown type',
    step('outputs: { x: { regex: a, type: float } }'),
    '5:41: expected text, json, { regex } or { file }',
  ],
  ['an output that is a relative path', step('outputs: { x: { file: y } }'), '5:49: a file output is an absolute path'],
  ['an output in kebab-case', step('outputs: { x-y: text }'), '5:38: an output name is camelCase'],
  [
    'an output that every command has',
    step('outputs: { stdout: text }'),
    '5:36: an output name is no word of CEL, and none of exitCode, stdout, stderr, truncated',
  ],
  [
    'an output that is a word of CEL',
    step('outputs: { in: text }'),
    '5:36: an output name is no word of CEL, and none of exitCode, stdout, stderr, truncated',
  ],
  ['outputs as a list', step('outputs: [x]'), '5:36: expected a map, found a list'],
  [
    'an expression in outputs',
    step('outputs: { x: { file: "/${{ host.name }}" } }'),
    '5:36: which outputs there are is known when the file is loaded: no ${{ }}',
  ],
  [
    'an output that is not declared',
    step('outputs: { state: text }, failedWhen: steps.a.sate == "x"'),
    '5:65: there is no "sate" in steps.a; did you mean "state"?',
  ],
  [
    'an output compared with another type',
    step('outputs: { x: { regex: "(.)", type: integer } }, failedWhen: steps.a.x == "1"'),
    '5:88: no such overload: int == string',
  ],
];

const includes: readonly Wrong[] = [
  ['an include of nothing', uses('include'), '5:5: include needs the input "runbook"'],
  ['an include of a number', include('{ runbook: 3 }'), '5:46: expected a text, found 3'],
  [
    'an include of a runbook that is not there',
    include('{ runbook: gone }'),
    '5:46: there is no runbook "gone" beside this file',
  ],
  [
    'an include of a path that is not there',
    include('{ runbook: ./parts/gone.yaml }'),
    '5:46: there is no runbook "./parts/gone.yaml" beside this file',
  ],
  ['an include of itself', include('{ runbook: book }'), '5:46: "book" includes itself'],
  [
    'an include of what includes this',
    include('{ runbook: ring }'),
    '5:46: the runbook "/books/ring.yaml" has 1 problem',
  ],
  [
    'an include of a wrong runbook',
    include('{ runbook: broken }'),
    '5:46: the runbook "/books/broken.yaml" has 2 problems',
  ],
  [
    'an include of an expression',
    include('{ runbook: "${{ host.name }}", params: { who: x } }'),
    '5:46: which runbook is included is known when the file is loaded: no ${{ }}',
  ],
  [
    'an unknown input of an include',
    include('{ runbook: part, params: { who: x }, param: { who: x } }'),
    '5:72: "param" is no input of include; did you mean "params"?',
  ],
  [
    'an include without a param that it needs',
    include('{ runbook: part, params: {} }'),
    '5:60: part needs the param "who"',
  ],
  ['an include without any param', include('{ runbook: part }'), '5:5: part needs the param "who"'],
  ['an include without a secret that it needs', include('{ runbook: keyed }'), '5:5: keyed needs the param "key"'],
  [
    'an unknown param of an include',
    include('{ runbook: part, params: { who: x, cuont: 3 } }'),
    '5:70: "cuont" is no param of part; did you mean "count"?',
  ],
  ['params of an include as a text', include('{ runbook: part, params: who }'), '5:60: expected a map of params'],
  [
    'all params of an include in one expression',
    include('{ runbook: part, params: "${{ params }}" }'),
    '5:60: expected a map of params',
  ],
  [
    'a param of an include of another type',
    include('{ runbook: part, params: { who: x, count: many } }'),
    '5:77: expected a whole number, found "many"',
  ],
  [
    'a param of an include out of bounds',
    include('{ runbook: part, params: { who: x, count: 1 } }'),
    '5:77: expected at least 2, found 1',
  ],
  [
    'a param of an include that is none of its values',
    include('{ runbook: part, params: { who: x, mode: slow } }'),
    '5:76: expected one of fast, safe, found "slow"',
  ],
  [
    'a param of an include that is nothing',
    include('{ runbook: part, params: { who: } }'),
    '5:67: expected a string, found nothing',
  ],
  [
    'a param of an include that is a map',
    include('{ runbook: part, params: { who: { a: b } } }'),
    '5:67: expected a string, found a map',
  ],
  [
    'an expression of another type for a param of an include',
    include('{ runbook: part, params: { who: "${{ 3 }}" } }'),
    '5:67: expected string, the expression gives int',
  ],
  [
    'an expression that may be none of its values',
    include(
      '{ runbook: part, params: { who: x, mode: "${{ params.p }}" } }',
      '',
      'params: { p: { type: enum, values: [fast, slow], default: fast } }\n',
    ),
    '6:76: it may be "slow", which is not taken here',
  ],
  [
    'an unknown name in a list for a param of an include',
    include('{ runbook: part, params: { who: x, names: ["${{ params.gone }}"] } }'),
    '5:83: there is no "gone" in params',
  ],
  [
    'a param of an include that may be absent',
    include('{ runbook: part, params: { who: "${{ params.p }}" } }', '', 'params: { p: { type: string } }\n'),
    '6:72: param "p" may not be given: ask has(params.p) first',
  ],
  [
    'a secret in the file for an include',
    include('{ runbook: part, params: { who: x, key: hunter2 } }'),
    '5:75: a secret is passed on from a param that is one: ${{ params.NAME }}',
  ],
  [
    'a reference to a secret for an include',
    include('{ runbook: part, params: { who: x, key: "env:TOKEN" } }'),
    '5:75: a secret is passed on from a param that is one: ${{ params.NAME }}',
  ],
  [
    'a text for a secret of an include',
    include(
      '{ runbook: part, params: { who: x, key: "${{ params.p }}" } }',
      '',
      'params: { p: { type: string, default: hunter2 } }\n',
    ),
    '6:75: a secret is passed on from a param that is one: ${{ params.NAME }}',
  ],
  [
    'an include that is tried again',
    include('{ runbook: part, params: { who: x } }', ', retry: { attempts: 2 }'),
    '5:74: a step that includes a runbook has no "retry": its steps have their own',
  ],
  [
    'an include with a check',
    include('{ runbook: part, params: { who: x } }', ', check: "true"'),
    '5:74: a step that includes a runbook has no "check": its steps have their own',
  ],
  [
    'an include with what it creates',
    include('{ runbook: part, params: { who: x } }', ', creates: /x'),
    '5:74: a step that includes a runbook has no "creates": its steps have their own',
  ],
  [
    'an include with a failure of its own',
    include('{ runbook: part, params: { who: x } }', ', failedWhen: false'),
    '5:74: a step that includes a runbook has no "failedWhen": its steps have their own',
  ],
  [
    'an include with a time-out',
    include('{ runbook: part, params: { who: x } }', ', timeout: 3s'),
    '5:74: a step that includes a runbook has no "timeout": its steps have their own',
  ],
  [
    'an include with a place',
    include('{ runbook: part, params: { who: x } }', ', where: controller'),
    '5:74: a step that includes a runbook has no "where": its steps have their own',
  ],
  [
    'an include with variables',
    include('{ runbook: part, params: { who: x } }', ', env: { A: b }'),
    '5:74: a step that uses include has no "env"',
  ],
  [
    'an unknown step of an include',
    include('{ runbook: part, params: { who: x } }', ', finishWhen: has(steps.a.find.exitCode)'),
    '5:90: there is no "find" in steps.a; there is p, q',
  ],
  [
    'an output of a step of an include that may not have run',
    include(
      '{ runbook: part, params: { who: x } }',
      ', finishWhen: steps.a.p.exitCode == 0 && steps.a.q.exitCode == 0',
    ),
    '5:113: steps.a.q may be absent: ask has(steps.a.q.exitCode) first',
  ],
];

const expressions: readonly Wrong[] = [
  ['an unknown root', step('when: param.x == 1'), '5:33: there is no "param"; did you mean "params"?'],
  ['an unknown param', step('when: params.gone == 1'), '5:33: there is no "gone" in params'],
  ['an unknown param inside has()', step('when: has(params.gone)'), '5:37: there is no "gone" in params'],
  [
    'an unknown param in brackets',
    book('  - id: a\n    run: x\n    when: params["gone"] == 1\n'),
    '7:11: there is no "gone" in params',
  ],
  [
    'a param with the name of a method',
    step('when: params.constructor == 1'),
    '5:33: there is no "constructor" in params',
  ],
  [
    'an unknown step',
    book('  - { id: find, run: x }\n  - { id: b, run: x, when: has(steps.fimd.exitCode) }\n'),
    '6:32: there is no "fimd" in steps; did you mean "find"?',
  ],
  [
    'an unknown output',
    step('failedWhen: steps.a.exitcode == 1'),
    '5:39: there is no "exitcode" in steps.a; did you mean "exitCode"?',
  ],
  [
    'a value that an output never has',
    uses('find-process', ', finishWhen: steps.a.state == "helthy"'),
    '5:63: steps.a.state is never "helthy"; did you mean "healthy"?',
  ],
  [
    'has() of a whole step',
    book('  - { id: a, run: x, when: host.name == "x" }\n  - { id: b, run: x, when: has(steps.a) }\n'),
    '6:32: ask for one of its outputs: has(steps.a.NAME)',
  ],
  [
    'all steps at once',
    book('  - { id: a, run: x }\n  - id: b\n    run: x\n    when: steps[host.name].exitCode == 0\n'),
    '8:11: read one of them by its name: steps.NAME',
  ],
  [
    'a comparison with another type',
    step('failedWhen: steps.a.exitCode == "1"'),
    '5:39: no such overload: int == string',
  ],
  [
    'an unknown function',
    step('when: lower(host.name) == "x"'),
    "5:33: found no matching overload for 'lower(string)'",
  ],
  [
    'an unknown method',
    step('when: host.name.startWith("x")'),
    "5:33: found no matching overload for 'string.startWith(string)'",
  ],
  ['a condition that gives a text', step('when: run.id'), '5:33: expected true or false, the expression gives string'],
  [
    'continueOnError that gives a text',
    step('continueOnError: host.name'),
    '5:44: expected true or false, the expression gives string',
  ],
  [
    'continueOnError in other words',
    step('continueOnError: yes'),
    '5:44: there is no "yes"; there is params, steps, host, run',
  ],
  [
    'a failure that gives a number',
    step('failedWhen: steps.a.exitCode'),
    '5:39: expected true or false, the expression gives int',
  ],
  ['an assignment', step('when: host.name = "x"'), '5:43: unexpected character: =; equal is "=="'],
  [
    '"and"',
    step('when: host.name == "x" and host.name == "y"'),
    '5:50: unexpected character: \'d\'; and is "&&", or is "||", not is "!"',
  ],
  ['a text that is not closed', step('when: "host.name == \'x"'), '5:47: unterminated string'],
  ['a parenthesis that is not closed', step('when: (host.name == "x"'), '5:50: expected RPAREN, got EOF'],
  [
    'braces where a bare expression stands',
    step('when: "${{ true }}"'),
    '5:33: a bare expression stands here: no ${{ }}',
  ],
  ['braces that are not closed', step('env: { A: "of ${{ host.name }} and ${{ run.id" }'), '5:62: this ${{ has no }}'],
  ['braces around nothing', step('env: { A: "${{ }}" }'), '5:42: unexpected token: EOF'],
  [
    'two unknown names in a text',
    step('env: { A: "x ${{ params.gone }} y ${{ stps.a }}" }'),
    '5:44: there is no "gone" in params',
    '5:65: there is no "stps"; did you mean "steps"?',
  ],
  [
    'an unknown name in the second line of a block',
    book('  - id: a\n    run: x\n    when: |\n      host.name == "x" &&\n      params.gone\n'),
    '9:7: there is no "gone" in params',
  ],
  [
    'an unknown name in a folded block',
    book('  - id: a\n    run: x\n    when: >-\n      host.name == "x" &&\n      params.gone\n'),
    '9:7: there is no "gone" in params',
  ],
  [
    'an unknown name in the second line of a plain text',
    book('  - id: a\n    run: x\n    when: host.name == "x" &&\n      params.gone\n'),
    '8:7: there is no "gone" in params',
  ],
  [
    'an unknown name behind escapes',
    step('when: "host.name == \\"x\\" && params.gone"'),
    '5:56: there is no "gone" in params',
  ],
  [
    'an unknown name behind doubled quotes',
    step("when: 'host.name == ''x'' && params.gone'"),
    '5:56: there is no "gone" in params',
  ],
  [
    'an unknown name in a nested value',
    uses('script', ', with: { path: x, args: [a, "${{ params.gone }}"] }'),
    '5:60: there is no "gone" in params',
  ],
  ['an unknown name in a path', step('creates: "/x/${{ params.gone }}"'), '5:44: there is no "gone" in params'],
  [
    'an optional param',
    book('  - { id: a, run: x, when: params.p == "x" }\n', 'params: { p: { type: string } }\n'),
    '6:28: param "p" may not be given: ask has(params.p) first',
  ],
  [
    'an address that may not be known',
    step('when: host.address == "10.0.0.1"'),
    '5:33: host.address may be absent: ask has(host.address) first',
  ],
  [
    'an optional output',
    book('  - { id: a, run: x }\n  - { id: b, run: x, when: steps.a.truncated }\n'),
    '6:28: steps.a.truncated may be absent: ask has(steps.a.truncated) first',
  ],
  [
    'its own output before it ran',
    step('when: steps.a.exitCode == 0'),
    '5:33: step "a" may not have run: ask has(steps.a.exitCode) first',
  ],
  [
    'its own output where it failed',
    step('continueOnError: steps.a.exitCode == 3'),
    '5:44: step "a" may not have run: ask has(steps.a.exitCode) first',
  ],
  [
    'a step with a condition',
    reader(', when: host.name == "x"'),
    '6:33: step "a" may not have run: ask has(steps.a.exitCode) first',
  ],
  [
    'a step with a condition in brackets',
    book('  - { id: a, run: x, when: host.name == "x" }\n  - id: b\n    run: x\n    when: steps["a"].exitCode == 0\n'),
    '8:11: step "a" may not have run: ask has(steps.a.exitCode) first',
  ],
  [
    'a step with a condition inside exists()',
    book(
      '  - { id: a, run: x, when: host.name == "x" }\n  - id: b\n    run: x\n    when: params.p.exists(each, each == steps.a.stdout)\n',
      'params: { p: { type: list, default: [a] } }\n',
    ),
    '9:41: step "a" may not have run: ask has(steps.a.stdout) first',
  ],
  [
    'a step that may fail',
    reader(', continueOnError: true'),
    '6:33: step "a" may not have run: ask has(steps.a.exitCode) first',
  ],
  [
    'a step that may be rescued',
    reader(', rescue: [{ id: r, run: x }]'),
    '6:33: step "a" may not have run: ask has(steps.a.exitCode) first',
  ],
  [
    'a step that may be done already',
    reader(', check: x'),
    '6:33: step "a" may not have run: ask has(steps.a.exitCode) first',
  ],
  [
    'a step whose file may be there already',
    reader(', creates: /x'),
    '6:33: step "a" may not have run: ask has(steps.a.exitCode) first',
  ],
  [
    'a step that a crash may skip',
    reader(', onUnknown: skip'),
    '6:33: step "a" may not have run: ask has(steps.a.exitCode) first',
  ],
  [
    'a step that runs beside it',
    book('  - { id: a, run: x, needs: [] }\n  - { id: b, run: x, needs: [], when: steps.a.exitCode == 0 }\n'),
    '6:39: step "a" may not have run: ask has(steps.a.exitCode) first',
  ],
  [
    'a step that runs later',
    book('  - { id: a, run: x, when: steps.b.exitCode == 0 }\n  - { id: b, run: x }\n'),
    '5:28: step "b" may not have run: ask has(steps.b.exitCode) first',
  ],
  [
    'a step of a rescue',
    book('  - { id: a, run: x, rescue: [{ id: r, run: x }] }\n  - { id: b, run: x, when: steps.r.exitCode == 0 }\n'),
    '6:28: step "r" may not have run: ask has(steps.r.exitCode) first',
  ],
  [
    'a step that has failed, in its rescue',
    step('rescue: [{ id: r, run: x, when: steps.a.exitCode == 0 }]'),
    '5:59: step "a" may not have run: ask has(steps.a.exitCode) first',
  ],
  [
    'a step of the run, in always',
    `${book('  - { id: a, run: x }\n')}always: [{ id: z, run: x, when: steps.a.exitCode == 0 }]\n`,
    '6:33: step "a" may not have run: ask has(steps.a.exitCode) first',
  ],
  [
    'a step on one side of "||"',
    book(
      '  - { id: a, run: x, when: host.name == "x" }\n  - { id: b, run: x, when: has(steps.a.exitCode) || steps.a.exitCode == 0 }\n',
    ),
    '6:53: step "a" may not have run: ask has(steps.a.exitCode) first',
  ],
];

const several: readonly Wrong[] = [
  [
    'a file with a mistake in each of its parts',
    `version: 1
name: list
summary: A test.
params:
  host: { type: enum }
  t: { type: duration, default: soon }
fanout: { serial: 0 }
steps:
  - { id: a, uses: sheel, timeout: 0s }
  - id: b
    run: echo \${{ params.t }}
    needs: [c]
    env: { A: "\${{ steps.q.stdout }}", B: "\${{ params.u }}" }
  - { id: a, uses: wait-for, with: { port: 1, file: /x } }
always:
  - { id: z, run: x, needs: [], when: failure.code == "X" }
`,
    '2:7: "list" is a command of the command line',
    '5:3: "host" is an option of the command line itself',
    '5:9: an enum needs values: [a, b]',
    '6:33: expected a duration like 30s or 5m, found "soon"',
    '7:19: a batch of no hosts never ends',
    '9:20: there is no step kind "sheel"; did you mean "shell"?',
    '9:36: "0s" leaves no time at all',
    '11:15: values never enter shell text: name them under `env`, and use "$NAME" here',
    '12:13: there is no step "c"; there is a, b',
    '13:20: there is no "q" in steps; there is a, b, z',
    '13:48: there is no "u" in params; there is host, t',
    '14:5: expected exactly one of port, http, file, command',
    '14:11: there are two steps "a"',
    '16:22: these steps run one after the other: no needs',
    '16:39: nothing may have failed: ask has(failure.code) first',
  ],
  [
    'a file whose shape is wrong in several places',
    `version: 2
nme: book
summary: A test.
params: { p: { type: str } }
steps:
  - { id: a, run: x, when: 3, retry: { attempts: 0, dely: 1s } }
  - { run: x }
`,
    '1:1: "name" is missing',
    '1:10: expected 1, found 2',
    '2:1: "nme" is not known here; did you mean "name"?',
    '4:22: expected one of string, integer, number, boolean, duration, size, enum, list, path, secret, found "str"',
    '6:28: expected a condition: true, false, or bare CEL, found 3',
    '6:50: too small: expected number to be >=1',
    '6:53: "dely" is not known here; did you mean "delay"?',
    '7:5: "id" is missing',
  ],
];

test.each([...yaml, ...shape, ...fanouts, ...params, ...steps, ...outputs, ...includes, ...expressions, ...several])(
  '%s is refused, with its place and its line',
  async (_what, text, ...problems) => {
    const { code, message } = await errorOf(text);
    expect(code).toBe('INVALID_RUNBOOK');
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
    expect(message.split('\n')[0]).toBe(`the runbook "/books/book.yaml" has ${count}`);
    expect(problemsIn(message)).toEqual(problems);
  },
);

test('the line of a problem is shown under it, with a mark at the column', async () => {
  const { message } = await errorOf(step('risk: danger'));
  expect(message.split('\n').slice(2)).toEqual([
    '      - { id: a, run: "true", risk: danger }',
    `    ${' '.repeat(32)}^`,
  ]);
});

test.each([
  'p: { type: secret, default: hunter2 }',
  'p: { type: secret, default: [hunter2, 3] }',
  'p: { type: secret, default: { a: hunter2 } }',
  'p: { type: secret, default: hunter2, hlep: x }',
  'p: { default: hunter2, required: true, type: secret }',
])('a secret that stands in the file is not shown: %s', async text => {
  const { message } = await errorOf(param(text));
  expect(message).not.toContain('hunter2');
  expect(message).toContain('*******');
});

test('a secret that is written for an include is not shown', async () => {
  const { message } = await errorOf(include('{ runbook: part, params: { who: x, key: hunter2 } }'));
  expect(message).not.toContain('hunter2');
});

test('what is wrong in an included file is told with its own place, under the step that includes it', async () => {
  const { message } = await errorOf(include('{ runbook: broken }'));
  expect(message.split('\n').slice(1)).toEqual([
    '/books/book.yaml:5:46: the runbook "/books/broken.yaml" has 2 problems',
    '      - { id: a, uses: include, with: { runbook: broken } }',
    `    ${' '.repeat(45)}^`,
    '/books/broken.yaml:5:36: "0s" leaves no time at all',
    '      - { id: p, run: "true", timeout: 0s }',
    `    ${' '.repeat(35)}^`,
    '/books/broken.yaml:6:35: "q" cannot need itself',
    '      - { id: q, run: "true", needs: [q] }',
    `    ${' '.repeat(34)}^`,
  ]);
});

test('a runbook in which anything was mistyped is accepted or refused, and never breaks the reader', async () => {
  const texts = [...steps, ...includes, ...expressions, ...params].map(([, text]) => text);
  const typo = tuple(
    nat(400),
    nat(3),
    constantFrom('', ' ', '\n', '\t', '{', '}', '[', '"', ':', '*a', '${{', 'null', '3', 'é😀'),
  );
  await assert(
    asyncProperty(constantFrom(...texts), array(typo, { minLength: 1, maxLength: 4 }), async (text, typos) => {
      const mistyped = typos.reduce((now, [at, cut, put]) => now.slice(0, at) + put + now.slice(at + cut), text);
      const error = await resultOf(mistyped);
      expect(error === undefined || error instanceof HangarError).toBe(true);
    }),
    { numRuns: 300 },
  );
});

async function errorOf(text: string): Promise<HangarError> {
  const error = await resultOf(text);
  if (error instanceof HangarError) return error;
  throw new Error('the runbook was accepted', { cause: error });
}

/** What reading it fails with; undefined where it does not. */
function resultOf(text: string): Promise<unknown> {
  const read = async (path: string): Promise<string | undefined> =>
    path === '/books/book.yaml' ? text : others[path.replace('/books/', '')];
  return loadRunbook('/books/book.yaml', stepKinds, { read }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
}

/** `line:column: message` of each problem of the file itself. */
function problemsIn(message: string): readonly string[] {
  return message
    .split('\n')
    .filter(line => line.startsWith('/books/book.yaml:'))
    .map(line => line.slice('/books/book.yaml:'.length));
}
