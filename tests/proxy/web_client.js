// A browser's client: npm grpc-web on an XMLHttpRequest for Node. test_web.py runs it with the calls as JSON on stdin;
// it answers with one JSON line for each event. Messages are base64 both ways, so no generated code is needed.
global.XMLHttpRequest = require('xhr2');
const {GrpcWebClientBase, MethodDescriptor, MethodType} = require('grpc-web');
const say = (event) => console.log(JSON.stringify(event));
const base64 = (bytes) => Buffer.from(bytes).toString('base64');
const identity = (bytes) => bytes;

const {host, path, format, body, metadata} = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const method = new MethodDescriptor(path, MethodType.UNARY, Object, Object, identity, identity);
const call = new GrpcWebClientBase({format}).rpcCall(
    host + path, new Uint8Array(Buffer.from(body, 'base64')), metadata, method, (error, reply) => {
        say(error ? {event: 'error', code: error.code, message: error.message, metadata: error.metadata} :
            {event: 'message', body: base64(reply)});
    });
call.on('status', (status) => say({event: 'status', code: status.code, metadata: status.metadata}));
