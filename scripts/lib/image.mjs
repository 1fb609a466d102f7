import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { DockerfileParser } from 'dockerfile-ast';
import { inRoot } from './paths.mjs';

/** The names .dockerignore lets into the build: it refuses all but those it lists with `!`. */
function readContext() {
  const lines = readFileSync(inRoot('.dockerignore'), 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (lines[0] !== '*' || lines.slice(1).some((line) => !line.startsWith('!'))) {
    throw new Error('.dockerignore is expected to refuse everything (*) and then to admit names (!name).');
  }
  return new Set(lines.slice(1).map((line) => line.slice(1)));
}

/** `a && b` in the shell form, `["a", "b"]` in the exec form → the arguments. */
const parseExecForm = (instruction) => JSON.parse(instruction.getArgumentsContent());

function copyInto(source, target, isFolderTarget) {
  const destination =
    isFolderTarget && !statSync(source).isDirectory() ? path.join(target, path.basename(source)) : target;
  mkdirSync(path.dirname(destination), { recursive: true });
  cpSync(source, destination, { recursive: true, verbatimSymlinks: true });
}

/**
 * Carries out the steps of the Dockerfile in `folder`, one subfolder a stage, with the Node this process runs on.
 * Returns what the last stage became: its working folder, environment, entry point and health check.
 */
export function performDockerfile(folder) {
  const instructions = DockerfileParser.parse(readFileSync(inRoot('Dockerfile'), 'utf8')).getInstructions();
  const context = readContext();
  const stages = new Map();
  let stage;

  /** Where a path of the image lies on this machine. */
  const locate = (name, of = stage) => path.join(of.root, name.startsWith('/') ? name : path.join(of.workdir, name));

  for (const instruction of instructions) {
    const words = (instruction.getArguments() ?? []).map((argument) => argument.getValue());
    switch (instruction.getKeyword()) {
      case 'FROM': {
        const name = words[2] ?? 'final';
        stage = { root: path.join(folder, name), workdir: '/', env: {}, exposed: [] };
        stages.set(name, stage);
        break;
      }
      case 'WORKDIR':
        stage.workdir = words[0];
        mkdirSync(locate('.'), { recursive: true });
        break;
      case 'ENV':
        for (const property of instruction.getProperties()) stage.env[property.getName()] = property.getValue();
        break;
      case 'COPY': {
        const from = instruction
          .getFlags()
          .find((flag) => flag.getName() === 'from')
          ?.getValue();
        const target = words.at(-1);
        for (const source of words.slice(0, -1)) {
          if (from === undefined && !context.has(source.split('/')[0])) {
            throw new Error(`COPY ${source}: .dockerignore keeps it out of the build.`);
          }
          const found = from === undefined ? inRoot(source) : locate(source, stages.get(from));
          if (!existsSync(found)) throw new Error(`COPY ${source}: there is no such file.`);
          copyInto(found, locate(target), target.endsWith('/'));
        }
        break;
      }
      case 'RUN': {
        const command = instruction.getArgumentsContent();
        console.log(`RUN ${command}`);
        const { status } = spawnSync('/bin/sh', ['-ec', command], {
          cwd: locate('.'),
          env: { ...withoutNpm(process.env), ...stage.env },
          stdio: ['ignore', 2, 2],
        });
        if (status !== 0) throw new Error(`RUN ${command}: ended with ${status}.`);
        break;
      }
      case 'USER':
        stage.user = words[0];
        break;
      case 'EXPOSE':
        stage.exposed.push(...words);
        break;
      case 'ENTRYPOINT':
        stage.entrypoint = parseExecForm(instruction);
        break;
      case 'CMD':
        stage.command = parseExecForm(instruction);
        break;
      case 'HEALTHCHECK':
        stage.healthcheck = JSON.parse(instruction.getArgumentsContent().replace(/^CMD\s*/, ''));
        break;
      case 'STOPSIGNAL':
        stage.stopSignal = words[0];
        break;
      default:
        throw new Error(`${instruction.getKeyword()} is not understood here.`);
    }
  }
  return { ...stage, folder: locate('.') };
}

/** npm tells its scripts how it was called; an npm in a container is told nothing. */
function withoutNpm(environment) {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !/^npm_/i.test(name)));
}
