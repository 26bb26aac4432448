/**
 * Bounds what clients can hold on to by being many or by being slow. Purpose: a probe is answered while a thousand connections
 * lie idle, and nobody keeps an answer in memory by reading a byte now and then. Boundary: sockets and times; knows no paths.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";

export interface ConnectionBounds {
  readonly connectionsMax: number;
  /** An answer (streams excepted) has to be read within this. */
  readonly answerMs: number;
  readonly onRefused: (reason: "too-many-connections" | "slow-reader") => void;
}

/** Beyond `connectionsMax` the connection that is idle longest gives way to the newest; if none is idle, the newest goes. */
export function boundConnections(server: Server, bounds: ConnectionBounds): void {
  /** Idle and busy ones apart, oldest first: finding whom to close must not cost what a flood can multiply. */
  const idle = new Set<Socket>();
  const busy = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    if (idle.size + busy.size >= bounds.connectionsMax) {
      bounds.onRefused("too-many-connections");
      const [oldest] = idle;
      if (oldest === undefined) {
        socket.destroy();
        return;
      }
      idle.delete(oldest);
      oldest.destroy();
    }
    idle.add(socket);
    socket.once("close", () => {
      idle.delete(socket);
      busy.delete(socket);
    });
  });
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    idle.delete(socket);
    if (!socket.destroyed) busy.add(socket);
    response.once("close", () => {
      if (busy.delete(socket) && !socket.destroyed) idle.add(socket);
    });
  });
}

/** Cuts the reader off who has not taken the whole answer in time. To be called once the answer was written. */
export function boundReading(response: ServerResponse, { answerMs, onRefused }: ConnectionBounds): void {
  if (response.writableFinished) return;
  const timer = setTimeout(() => {
    onRefused("slow-reader");
    response.destroy();
  }, answerMs).unref();
  response.once("close", () => clearTimeout(timer));
}
