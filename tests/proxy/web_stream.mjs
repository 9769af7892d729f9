// A browser's client that streams: @connectrpc/connect-web speaks gRPC-Web on fetch. Needs no generated code: it reads
// the descriptor set that Faregate ships. test_web.py runs it: node web_stream.mjs URL DESCRIPTOR_SET SERVICE METHOD JSON;
// one JSON line for each event.
import {readFileSync} from 'node:fs';
import {createRequire} from 'node:module';

const require = createRequire(process.env.WEB_MODULES + '/');
const {createFileRegistry, fromBinary, toJson} = require('@bufbuild/protobuf');
const {FileDescriptorSetSchema} = require('@bufbuild/protobuf/wkt');
const {createClient, ConnectError} = require('@connectrpc/connect');
const {createGrpcWebTransport} = require('@connectrpc/connect-web');

const [baseUrl, descriptors, service, method, request] = process.argv.slice(2);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(descriptors)));
const client = createClient(registry.getService(service), createGrpcWebTransport({baseUrl}));
const schema = registry.getService(service).method[method].output;
try {
    for await (const reply of client[method](JSON.parse(request))) {
        console.log(JSON.stringify({event: 'message', message: toJson(schema, reply)}));
    }
    console.log(JSON.stringify({event: 'end'}));
} catch (error) {
    console.log(JSON.stringify({event: 'error', code: ConnectError.from(error).code, message: error.message}));
}
