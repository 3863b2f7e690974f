import { report, runProgram } from "./cli/program.ts";

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
