import { defineConfig } from "vitest/config";

/** Endurance: minutes long, or in need of a quiet machine. `npm run test:soak` runs them; `npm test` does not. */
const SOAK = [
  "test/lab/attack.test.ts",
  "test/lab/flapping.test.ts",
  "test/lab/forty.test.ts",
  "test/sim/fresh.test.ts",
];

/** Pure floors; adapters (real sockets, processes and timers); simulation; the addon; the lab (real namespaces; root; one file at a time). */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/unit/**/*.test.ts"],
          exclude: ["test/unit/adapters/**"],
          environment: "node",
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: "adapters",
          include: ["test/unit/adapters/**/*.test.ts"],
          environment: "node",
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: "sim",
          include: ["test/sim/**/*.test.ts"],
          exclude: SOAK,
          environment: "node",
          testTimeout: 120_000,
        },
      },
      {
        test: {
          name: "addon",
          include: ["test/addon/**/*.test.ts"],
          environment: "node",
          pool: "forks",
          fileParallelism: false,
          testTimeout: 30_000,
        },
      },
      {
        test: {
          name: "lab",
          include: ["test/lab/**/*.test.ts"],
          exclude: SOAK,
          environment: "node",
          pool: "forks",
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "page",
          include: ["test/page/**/*.test.ts"],
          environment: "node",
          pool: "forks",
          testTimeout: 120_000,
          expect: { poll: { timeout: 30_000 } },
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: "systemd",
          include: ["test/systemd/**/*.test.ts"],
          environment: "node",
          pool: "forks",
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 900_000,
        },
      },
      {
        test: {
          name: "soak",
          include: [...SOAK, "test/chaos/**/*.test.ts", "test/lab/broken-owner.test.ts"],
          env: { VIPD_LAB_FREEZE_MS: "30000" },
          environment: "node",
          pool: "forks",
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
