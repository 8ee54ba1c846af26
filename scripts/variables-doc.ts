import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { sections } from '../src/etcd/variables/declarations.ts';
import { etcdVariables, type VariableDeclaration, versionsText } from '../src/etcd/variables.ts';

/** `docs/variables.md`, from the declarations: `npx jiti scripts/variables-doc.ts` writes it. */
export const pagePath = fileURLToPath(new URL('../docs/variables.md', import.meta.url));

const introduction = `# Variables

<!-- Written by scripts/variables-doc.ts from src/etcd/variables/declarations.ts: change it there. -->

They stand in the inventory: for a cluster under \`[etcd:vars]\`, for one host behind its name.

\`\`\`ini
[etcd]
10.0.0.11
10.0.0.12 ETCD_DATA_DIR=/data/etcd
10.0.0.13

[etcd:vars]
# A comment has a line of its own: behind a value it would be part of the value.
ETCD_VERSION = 3.5.30
ETCD_CLIENT_PORT = 2379
\`\`\`

- A name that begins with \`ETCD_\`, \`CERT_\` or \`LOCAL_ETCD_\` and is not on this page stops the run before any host is touched, and so does a bad value: with file, line and what is allowed. Other names are yours.
- *Cluster* variables must be the same on all hosts of a cluster; *host* variables may differ.
- A duration is written as Go writes it: \`90m\`, \`12h\`, \`87600h\`. There is no unit for days. Milliseconds may be a bare number, and sizes may end in \`KiB\`, \`MiB\` or \`GiB\`.
- A path on the control machine may begin with \`~\`; a relative one starts at the file that sets it. Paths on hosts are absolute.
- *etcd* says which versions know a setting. The others refuse the variable, or have it translated where that is said.
`;

export function variablesPage(): string {
  const parts = sections.map((section) => {
    const rows = etcdVariables.filter((v) => v.section === section).map(row);
    return `## ${section}\n\n| variable | type | default | scope | etcd | meaning |\n| --- | --- | --- | --- | --- | --- |\n${rows.join('\n')}\n`;
  });
  return [introduction, ...parts].join('\n');
}

function row(v: VariableDeclaration): string {
  const names = [`\`${v.name}\``, ...(v.aliases ?? []).map((alias) => `also \`${alias}\``)].join(', ');
  const unset = v.otherwise ?? `\`${v.default}\``;
  const meaning = `${v.description} Example: \`${v.example}\``;
  return `| ${[names, v.kind.type, unset, v.scope, versionsText(v), meaning].map(cell).join(' | ')} |`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(pagePath, variablesPage());
