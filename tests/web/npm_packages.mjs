// Unpacks the packages of npm that tests of the server and its page need into DIRECTORY, one folder each, without npm.
// usage: node npm_packages.mjs DIRECTORY
import {execFileSync} from 'node:child_process';
import {createHash} from 'node:crypto';
import {existsSync, mkdirSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';

// Pinned, with what npm publishes as their integrity. Debian 12 has node 18: later clients of OpenAI ask for 20 or 22.
const kPackages = {
  'openai-5.23.2': 'MQBzmTulj+MM5O8SKEk/gL8a7s5mktS9zUtAkU257WjvobGc9nKcBuVwjyEEcb9SI8a8Y2G/mzn3vm9n1Jlleg==',
  'axe-core-4.14.1': 'FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==',
};

const directory = process.argv[2];
for (const [file, integrity] of Object.entries(kPackages)) {
  const name = file.replace(/-[\d.]+$/, ''), to = join(directory, name), done = join(to, `${file}.unpacked`);
  if (existsSync(done)) continue;
  const answer = await fetch(`https://registry.npmjs.org/${name}/-/${file}.tgz`, {signal: AbortSignal.timeout(60000)});
  const bytes = Buffer.from(await answer.arrayBuffer());
  const found = createHash('sha512').update(bytes).digest('base64');
  if (!answer.ok || found !== integrity) throw new Error(`${answer.url}: expected sha512-${integrity}, found sha512-${found} (HTTP ${answer.status})`);
  rmSync(to, {recursive: true, force: true});
  mkdirSync(to, {recursive: true});
  execFileSync('tar', ['xzf', '-', '-C', to, '--strip-components=1'], {input: bytes});
  writeFileSync(done, '');
}
