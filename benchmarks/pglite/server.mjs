// Serves an in-memory PGlite on a free port of the loopback, prints the port, and ends with its standard input.
import { PGlite } from "@electric-sql/pglite";
import { PGLiteSocketServer } from "@electric-sql/pglite-socket";

const server = new PGLiteSocketServer({ db: await PGlite.create(), host: "127.0.0.1", port: 0 });
server.addEventListener("listening", (event) => console.log(event.detail.port));
await server.start();
process.stdin.resume().on("end", () => process.exit(0));
