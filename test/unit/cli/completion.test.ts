import { spawnSync } from "node:child_process";
import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { completionFor } from "../../../src/cli/completion.js";
import { configPage, vipdPage } from "../../../src/cli/man.js";

function program(): Command {
  const vipd = new Command("vipd").description("Virtual IPs.");
  vipd
    .command("check")
    .summary("it's right: [or] not")
    .option("-c, --config <file>", "configuration file")
    .option("--json", "as JSON")
    .addHelpText("after", "\n.begins with a dot");
  vipd.command("secret", { hidden: true });
  return vipd;
}

describe("completions", () => {
  test.each(["bash", "zsh", "fish"])("%s knows commands and options, and not what is hidden", (shell) => {
    const script = completionFor(shell, program());
    expect(script).toContain("check");
    expect(script).toContain("json");
    expect(script).not.toContain("secret");
  });

  test("bash takes its script, and completes by it", () => {
    const script = `${completionFor("bash", program())}
      COMP_WORDS=(vipd check --j); COMP_CWORD=2; _vipd; echo "\${COMPREPLY[*]}"`;
    const run = spawnSync("bash", ["-c", script], { encoding: "utf8" });
    expect([run.stdout, run.stderr]).toEqual(["--json\n", ""]);
  });
});

describe("manual pages", () => {
  test("name every command with its options, and protect what roff would take for a request", () => {
    const page = vipdPage(program());
    expect(page).toContain('.SS "vipd check [options]"');
    expect(page).toContain("\\-\\-json");
    expect(page).toContain("\\&.begins with a dot");
    expect(page).not.toContain("secret");
  });

  test("name every key of the configuration", () => {
    for (const key of ["gossip.keyFile", "strictArp", "status.socket"]) expect(configPage()).toContain(`.B ${key}`);
  });
});
