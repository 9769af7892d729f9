// The interop cases of grpc's doc/interop-test-descriptions.md with @grpc/grpc-js, whose package brings no interop
// client. tests/interop/run calls it: client.js <address> <CA file, or -> <case>... It prints "ok <case>" or
// "failed <case>: why". What must stay true: a case proves what its description says, or fails.
'use strict';

const assert = require('assert');
const fs = require('fs');
const path = require('path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const REQUEST_BYTES = 271828;
const REPLY_BYTES = 314159;
const REPLIES = [31415, 9, 2653, 58979];
const REQUESTS = [27182, 8, 1828, 45904];
const INITIAL = 'x-grpc-test-echo-initial';
const TRAILING = 'x-grpc-test-echo-trailing-bin';
const SPECIAL = '\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \u{1f608}\t\n';
const SOAK_ROUNDS = 10;
const CASE_MS = 20000;

const definition = loader.loadSync('grpc/testing/test.proto', {
  includeDirs: [path.join(__dirname, '../protos')], keepCase: true, defaults: false,
});
const { TestService, UnimplementedService } = grpc.loadPackageDefinition(definition).grpc.testing;

const payload = (size) => ({ body: Buffer.alloc(size) });
const simple = (more) => ({ response_size: REPLY_BYTES, payload: payload(REQUEST_BYTES), ...more });
const output = (sizes, give = 0) => ({ response_parameters: sizes.map((size) => ({ size })), payload: payload(give) });

// What a unary call came to: {error, reply, initial, trailers}.
function unary(client, method, request, metadata = new grpc.Metadata(), options = {}) {
  return new Promise((resolve) => {
    const seen = {};
    const call = client[method](request, metadata, options, (error, reply) => {
      seen.error = error;
      seen.reply = reply;
    });
    call.on('metadata', (initial) => { seen.initial = initial; });
    call.on('status', (status) => resolve({ ...seen, status, trailers: status.metadata }));
  });
}

async function succeed(...args) {
  const seen = await unary(...args);
  assert.ifError(seen.error);
  return seen;
}

// A stream, read one message at a time.
class Reader {
  constructor(call) {
    this.call = call;
    this.waiting = [];
    this.events = [];
    this.status = new Promise((resolve) => call.on('status', resolve));
    call.on('metadata', (initial) => { this.initial = initial; });
    call.on('data', (message) => this.put({ message }));
    call.on('error', (error) => this.put({ error }));
    call.on('end', () => this.put({ end: true }));
  }

  put(event) {
    const waiting = this.waiting.shift();
    if (waiting) waiting(event);
    else this.events.push(event);
  }

  next() {
    if (this.events.length > 0) return Promise.resolve(this.events.shift());
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  async size() {
    const { message, error } = await this.next();
    if (error) throw error;
    assert.ok(message, 'the stream has ended');
    return message.payload.body ? message.payload.body.length : 0;
  }

  async expect(sizes) {
    for (const size of sizes) assert.strictEqual(await this.size(), size);
    const last = await this.next();
    if (last.error) throw last.error;
    assert.ok(last.end, 'more than was asked for');
    assert.strictEqual((await this.status).code, grpc.status.OK);
  }
}

async function streamIn(client, requests) {
  return new Promise((resolve) => {
    const call = client.StreamingInputCall(new grpc.Metadata(), (error, reply) => resolve({ error, reply }));
    call.on('error', () => {});
    for (const request of requests) call.write(request);
    call.end();
  });
}

const on = (value) => ({ value });

const cases = {
  async empty_unary({ client }) {
    assert.deepStrictEqual((await succeed(client, 'EmptyCall', {})).reply, {});
  },

  async large_unary({ client }) {
    const { reply } = await succeed(client, 'UnaryCall', simple());
    assert.strictEqual(reply.payload.body.length, REPLY_BYTES);
  },

  async client_compressed_unary({ client, zipping }) {
    const probe = await unary(client, 'UnaryCall', simple({ expect_compressed: on(true) }));
    assert.strictEqual(probe.status.code, grpc.status.INVALID_ARGUMENT);
    await succeed(zipping, 'UnaryCall', simple({ expect_compressed: on(true) }));
    await succeed(client, 'UnaryCall', simple({ expect_compressed: on(false) }));
  },

  async server_compressed_unary({ client }) {
    for (const flag of [true, false]) {
      const { reply } = await succeed(client, 'UnaryCall', simple({ response_compressed: on(flag) }));
      assert.strictEqual(reply.payload.body.length, REPLY_BYTES);
    }
  },

  async client_compressed_streaming({ client, zipping }) {
    const asked = [27182, 45904].map((size) => ({ expect_compressed: on(true), payload: payload(size) }));
    assert.strictEqual((await streamIn(client, asked)).error.code, grpc.status.INVALID_ARGUMENT);
    const { error, reply } = await streamIn(zipping, asked);
    assert.ifError(error);
    assert.strictEqual(reply.aggregated_payload_size, 73086);
  },

  async server_compressed_streaming({ client }) {
    const request = output([31415, 92653]);
    request.response_parameters[0].compressed = on(true);
    request.response_parameters[1].compressed = on(false);
    await new Reader(client.StreamingOutputCall(request)).expect([31415, 92653]);
  },

  async client_streaming({ client }) {
    const { error, reply } = await streamIn(client, REQUESTS.map((size) => ({ payload: payload(size) })));
    assert.ifError(error);
    assert.strictEqual(reply.aggregated_payload_size, 74922);
  },

  async server_streaming({ client }) {
    await new Reader(client.StreamingOutputCall(output(REPLIES))).expect(REPLIES);
  },

  async ping_pong({ client }) {
    const call = client.FullDuplexCall();
    const reader = new Reader(call);
    for (const [i, size] of REPLIES.entries()) {
      call.write(output([size], REQUESTS[i]));
      assert.strictEqual(await reader.size(), size);
    }
    call.end();
    await reader.expect([]);
  },

  async half_duplex({ client }) {
    const call = client.HalfDuplexCall();
    for (const size of REPLIES) call.write(output([size]));
    call.end();
    await new Reader(call).expect(REPLIES);
  },

  async empty_stream({ client }) {
    const call = client.FullDuplexCall();
    call.end();
    await new Reader(call).expect([]);
  },

  async cancel_after_begin({ client }) {
    const error = await new Promise((resolve) => {
      const call = client.StreamingInputCall(new grpc.Metadata(), resolve);
      setImmediate(() => call.cancel());
    });
    assert.strictEqual(error.code, grpc.status.CANCELLED);
  },

  async cancel_after_first_response({ client }) {
    const call = client.FullDuplexCall();
    const reader = new Reader(call);
    call.write(output([REPLIES[0]], REQUESTS[0]));
    assert.strictEqual(await reader.size(), REPLIES[0]);
    call.cancel();
    assert.strictEqual((await reader.status).code, grpc.status.CANCELLED);
  },

  async timeout_on_sleeping_server({ client }) {
    const call = client.FullDuplexCall({ deadline: Date.now() + 1 });
    const reader = new Reader(call);
    call.write(output([REPLIES[0]], REQUESTS[0]));
    assert.strictEqual((await reader.status).code, grpc.status.DEADLINE_EXCEEDED);
  },

  async custom_metadata({ client }) {
    const metadata = new grpc.Metadata();
    const secret = Buffer.from([0x0a, 0x0b, 0x0a, 0x0b, 0x0a, 0x0b]);
    metadata.set(INITIAL, 'test_initial_metadata_value');
    metadata.set(TRAILING, secret);
    const one = await succeed(client, 'UnaryCall', simple(), metadata);
    const call = client.FullDuplexCall(metadata);
    const reader = new Reader(call);
    call.write(output([REPLY_BYTES], REQUEST_BYTES));
    call.end();
    await reader.expect([REPLY_BYTES]);
    const other = { initial: reader.initial, trailers: (await reader.status).metadata };
    for (const { initial, trailers } of [one, other]) {
      assert.deepStrictEqual(initial.get(INITIAL), ['test_initial_metadata_value']);
      assert.deepStrictEqual(trailers.get(TRAILING), [secret]);
    }
  },

  async status_code_and_message({ client }) {
    await status(client, 2, 'test status message');
  },

  async special_status_message({ client }) {
    await status(client, 2, SPECIAL);
  },

  async every_status({ client }) {
    for (let code = 1; code <= 16; code++) await status(client, code, `code ${code}`);
  },

  async unimplemented_method({ client }) {
    const seen = await unary(client, 'UnimplementedCall', {});
    assert.strictEqual(seen.status.code, grpc.status.UNIMPLEMENTED);
  },

  async unimplemented_service({ dial }) {
    const client = dial(UnimplementedService);
    const seen = await unary(client, 'UnimplementedCall', {});
    assert.strictEqual(seen.status.code, grpc.status.UNIMPLEMENTED);
    client.close();
  },

  async rpc_soak(world) {
    for (let i = 0; i < SOAK_ROUNDS; i++) await cases.large_unary(world);
  },

  async channel_soak({ dial }) {
    for (let i = 0; i < SOAK_ROUNDS; i++) {
      const client = dial(TestService);
      await cases.large_unary({ client });
      client.close();
    }
  },
};

async function status(client, code, message) {
  const seen = await unary(client, 'UnaryCall', { response_status: { code, message } });
  assert.deepStrictEqual([seen.status.code, seen.status.details], [code, message]);
  const call = client.FullDuplexCall();
  const reader = new Reader(call);
  call.write({ response_status: { code, message } });
  const end = await reader.status;
  assert.deepStrictEqual([end.code, end.details], [code, message]);
}

async function main() {
  const [address, ca, ...names] = process.argv.slice(2);
  const credentials = ca === '-' ? grpc.credentials.createInsecure()
    : grpc.credentials.createSsl(fs.readFileSync(ca));
  const dial = (Service, options = {}) =>
    new Service(address, credentials, { 'grpc.use_local_subchannel_pool': 1, ...options });
  const gzip = { 'grpc.default_compression_algorithm': grpc.compressionAlgorithms.gzip };
  const world = { dial, client: dial(TestService), zipping: dial(TestService, gzip) };
  let failed = false;
  for (const name of names) {
    let timer;
    const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('no end in sight')), CASE_MS); });
    try {
      await Promise.race([cases[name](world), late]);
      console.log('ok', name);
    } catch (error) {
      failed = true;
      console.log(`failed ${name}: ${error}`.replace(/\n/g, ' '));
    }
    clearTimeout(timer);
  }
  process.exit(failed ? 1 : 0);
}

main();
