// Aedes, a broker in JavaScript: `node aedes.mjs`; prints its port.
import { createServer } from "node:net";
import { Aedes } from "aedes";

const broker = await Aedes.createBroker();
const server = createServer(broker.handle);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
