import { report, runProgram } from "./cli/program.ts";

// Files of records and log lines, whatever makes them, are not for everybody on this machine.
process.umask(process.umask(0o027) | 0o027);

const surroundings = {
  environment: process.env,
  output: process.stdout,
  problems: process.stderr,
};

// What reads our output may have seen enough, such as `head`. Not even a server minds.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});

try {
  process.exitCode = await runProgram(process.argv.slice(2), surroundings);
} catch (error) {
  // At once, even where something was opened before the failure.
  process.exit(report(error, surroundings));
}
