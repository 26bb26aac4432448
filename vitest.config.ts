import { defineConfig } from "vitest/config";

/** Four kinds of test: pure floors, simulation, the addon, and the lab (real namespaces; root; one file at a time). */
export default defineConfig({
  test: {
    projects: [
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], environment: "node", testTimeout: 30_000 } },
      { test: { name: "sim", include: ["test/sim/**/*.test.ts"], environment: "node", testTimeout: 120_000 } },
      {
        test: {
          name: "addon",
          include: ["test/addon/**/*.test.ts"],
          environment: "node",
          pool: "forks",
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: "lab",
          include: ["test/lab/**/*.test.ts"],
          environment: "node",
          pool: "forks",
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
