/**
 * The server behind the VIPs: `node echo-server.mjs NAME PORT`. UDP datagrams come back with `:NAME` appended, HTTP
 * answers `NAME`. On all addresses of both families; knows nothing of VIPs.
 */
import * as dgram from "node:dgram";
import * as http from "node:http";

const [name, port] = [process.argv[2], Number(process.argv[3])];
const udp = dgram.createSocket({ type: "udp6", ipv6Only: false });
udp.on("message", (message, from) => udp.send(`${message}:${name}`, from.port, from.address));
udp.on("error", () => {});
const web = http.createServer((_request, response) => {
  response.writeHead(200, { "content-type": "text/plain", connection: "close" });
  response.end(`${name}\n`);
});
udp.bind(port, "::", () => web.listen(port, "::", () => console.log("listening")));
