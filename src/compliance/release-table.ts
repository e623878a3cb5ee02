export interface Release {
  /** os-release(5) ID. */
  readonly distribution: 'debian' | 'ubuntu';
  /** VERSION_ID; empty for one that never gets a number. */
  readonly version: string;
  readonly codename: string;
  /** Last day of support that costs nothing (Debian: of LTS), as `2026-08-31`; absent: none is set yet. */
  readonly supportEnds?: string;
}

/** The release that os-release(5) names; undefined where we do not know it. */
export function findRelease(os: {
  readonly id: string;
  readonly versionId: string;
  readonly codename: string;
}): Release | undefined {
  const own = releases.filter(({ distribution }) => distribution === os.id);
  return (
    own.find(({ codename }) => codename === os.codename) ??
    own.find(({ version }) => version !== '' && version === os.versionId)
  );
}

type Row = readonly [version: string, codename: string, supportEnds?: string];

/** Debian's data package distro-info-data 0.58, debian.csv: `eol-lts`, else `eol`. */
const debian: readonly Row[] = [
  ['7', 'wheezy', '2018-05-31'],
  ['8', 'jessie', '2020-06-30'],
  ['9', 'stretch', '2022-06-30'],
  ['10', 'buster', '2024-06-30'],
  ['11', 'bullseye', '2026-08-31'],
  ['12', 'bookworm', '2028-06-30'],
  ['13', 'trixie', '2030-06-30'],
  ['14', 'forky'],
  ['15', 'duke'],
  ['', 'sid'],
];

/** The same, ubuntu.csv: `eol`, which is the standard support of LTS releases. */
const ubuntu: readonly Row[] = [
  ['14.04', 'trusty', '2019-04-25'],
  ['14.10', 'utopic', '2015-07-23'],
  ['15.04', 'vivid', '2016-02-04'],
  ['15.10', 'wily', '2016-07-28'],
  ['16.04', 'xenial', '2021-04-30'],
  ['16.10', 'yakkety', '2017-07-20'],
  ['17.04', 'zesty', '2018-01-13'],
  ['17.10', 'artful', '2018-07-19'],
  ['18.04', 'bionic', '2023-05-31'],
  ['18.10', 'cosmic', '2019-07-18'],
  ['19.04', 'disco', '2020-01-23'],
  ['19.10', 'eoan', '2020-07-17'],
  ['20.04', 'focal', '2025-05-29'],
  ['20.10', 'groovy', '2021-07-22'],
  ['21.04', 'hirsute', '2022-01-20'],
  ['21.10', 'impish', '2022-07-14'],
  ['22.04', 'jammy', '2027-06-01'],
  ['22.10', 'kinetic', '2023-07-20'],
  ['23.04', 'lunar', '2024-01-25'],
  ['23.10', 'mantic', '2024-07-11'],
  ['24.04', 'noble', '2029-05-31'],
  ['24.10', 'oracular', '2025-07-10'],
  ['25.04', 'plucky', '2026-01-15'],
  ['25.10', 'questing', '2026-07-09'],
  ['26.04', 'resolute', '2031-05-29'],
];

export const releases: readonly Release[] = [
  ...debian.map(row => toRelease('debian', row)),
  ...ubuntu.map(row => toRelease('ubuntu', row)),
];

function toRelease(distribution: Release['distribution'], [version, codename, supportEnds]: Row): Release {
  return { distribution, version, codename, ...(supportEnds !== undefined && { supportEnds }) };
}
