import { programPath } from '../../../src/host/program.ts';

const source = '/etc/apt/sources.list.d/hangar-symbols.sources';
const finTimeout = 'net.ipv4.tcp_fin_timeout';
const settings = '/etc/sysctl.d/60-hangar.conf';

/** Something done by hand to a host that was prepared. */
export interface Mutation {
  readonly what: string;
  /** Of the one check that finds it. */
  readonly id: string;
  /** On the host, as root. */
  readonly command: string;
  /** Other checks that there is nothing to ask about any more. */
  readonly pointless?: readonly string[];
}

/** Of a host of `startBareHost('bullseye-bare')`: each is found by one check, and mended by what prepares it. */
export const mutations: readonly Mutation[] = [
  { what: 'gdb removed', id: 'package:gdb', command: 'dpkg -r gdb', pointless: ['gdb-python'] },
  { what: 'the symbols of Python removed', id: 'package:python2.7-dbg', command: 'dpkg -r python2.7-dbg' },
  {
    what: 'a kernel setting changed',
    id: `sysctl:${finTimeout}`,
    command: `echo 60 >/proc/sys/net/ipv4/tcp_fin_timeout`,
  },
  {
    what: 'a kernel setting changed in its file too',
    id: `sysctl:${finTimeout}`,
    command: `sed -i 's/= 31/= 60/' ${settings} && echo 60 >/proc/sys/net/ipv4/tcp_fin_timeout`,
  },
  { what: 'a kernel setting lost with the next boot', id: `sysctl:${finTimeout}`, command: `rm ${settings}` },
  { what: 'the core directory open to all', id: 'core-directory', command: 'chmod 755 /var/tmp/hangar' },
  {
    what: 'a broken key',
    id: 'symbol-key',
    command: 'echo garbage >/usr/share/keyrings/hangar-symbols-1.gpg',
  },
  { what: 'the symbol source disabled', id: 'symbol-source', command: `echo 'Enabled: no' >>${source}` },
  { what: 'the symbol source moved away', id: 'symbol-source', command: `mv ${source} ${source}.disabled` },
  { what: 'the host program edited', id: 'host-program', command: `echo '#' >>${programPath}` },
  {
    what: 'the sudo rule edited',
    id: 'sudo-rule',
    command: `sed -i s/ALL=/web3=/ /etc/sudoers.d/hangar`,
  },
  {
    what: 'a core that nobody fetched',
    id: 'left-over-cores',
    command: `mkdir -m 700 /var/tmp/hangar/0123456789ab && cd /var/tmp/hangar/0123456789ab && echo '77 1 S x' >.hangar &&
      echo core >core && find . -exec touch -d '2 hours ago' {} +`,
  },
];

/** As dpkg does: another file under the same name. The process goes on with the former. */
export const replaceInterpreter = 'cp -p /usr/bin/python2.7 /usr/bin/new && mv /usr/bin/new /usr/bin/python2.7';
