import { report, runProgram } from "./cli/program.ts";

// Files of records and log lines, whatever makes them, are not for everybody on this machine.
process.umask(process.umask(0o027) | 0o027);

const surroundings = {
  environment: process.env,
  output: process.stdout,
  problems: process.stderr,
};

// What reads our output may have seen enough, such as `head`. Not even a server minds.
let hasLostOutput = false;
process.stdout.on("error", ({ code, message }: NodeJS.ErrnoException) => {
  if (code === "EPIPE") return;
  console.error(`stowage: standard output cannot be written: ${message}`);
  hasLostOutput = true;
});

try {
  const words = process.argv.slice(2);
  const exitCode = await runProgram(words, surroundings);
  process.exitCode = hasLostOutput && !words.includes("serve") ? 1 : exitCode;
} catch (error) {
  // At once, even where something was opened before the failure.
  process.exit(report(error, surroundings));
}
