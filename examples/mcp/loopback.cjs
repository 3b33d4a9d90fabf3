// Loaded into the servers of the tests, which listen on all interfaces: they then listen on
// the loopback interface only. With a host as an argument of listen, the port would not be
// known when listen returns, as a server of the suite expects.
const { Server } = require("net");

const { _listen2 } = Server.prototype;

Server.prototype._listen2 = function (address, port, type, ...rest) {
	return _listen2.call(this, address ?? "127.0.0.1", port, address ? type : 4, ...rest);
};
