/**
 * Preloaded into a daemon (`node --import`): SIGUSR2 blocks its event loop for VIPD_LAB_BLOCK_MS, while its native
 * threads run on. What a synchronous disk wait or an endless loop in JavaScript does, without touching the product.
 */
const blockMs = Number(process.env.VIPD_LAB_BLOCK_MS ?? 10_000);

process.on("SIGUSR2", () => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, blockMs);
});
