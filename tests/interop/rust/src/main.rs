//! The interop cases of grpc's doc/interop-test-descriptions.md with tonic, whose crate brings no interop client.
//!
//! tests/interop/run calls it: interop <address> <CA file, or -> <case>... It prints "ok <case>" or
//! "failed <case>: why". What must stay true: a case proves what its description says, or fails.

mod messages;

use messages::*;
use std::error::Error;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::client::Grpc;
use tonic::codec::{CompressionEncoding, ProstCodec, Streaming};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Response, Status};

type Done = Result<(), Box<dyn Error>>;
type Answer<T> = Result<Response<T>, Status>;

const REQUEST_BYTES: usize = 271828;
const REPLY_BYTES: i32 = 314159;
const REPLIES: [i32; 4] = [31415, 9, 2653, 58979];
const REQUESTS: [usize; 4] = [27182, 8, 1828, 45904];
const INITIAL: &str = "x-grpc-test-echo-initial";
const TRAILING: &str = "x-grpc-test-echo-trailing-bin";
const SECRET: &[u8] = &[0x0a, 0x0b, 0x0a, 0x0b, 0x0a, 0x0b];
const SPECIAL: &str = "\t\ntest with whitespace\r\nand Unicode BMP \u{263a} and non-BMP \u{1f608}\t\n";
const SOAK_ROUNDS: usize = 10;
const CASE_TIME: Duration = Duration::from_secs(20);

fn equal<T: PartialEq + std::fmt::Debug>(have: T, want: T) -> Done {
    if have == want {
        return Ok(());
    }
    Err(format!("{:?} instead of {:?}", have, want).chars().take(300).collect::<String>().into())
}

fn payload(size: usize) -> Option<Payload> {
    Some(Payload { body: vec![0; size] })
}

fn size(payload: &Option<Payload>) -> i32 {
    payload.as_ref().map_or(0, |p| p.body.len() as i32)
}

fn flag(value: bool) -> Option<BoolValue> {
    Some(BoolValue { value })
}

fn simple() -> SimpleRequest {
    SimpleRequest { response_size: REPLY_BYTES, payload: payload(REQUEST_BYTES), ..Default::default() }
}

fn output(sizes: &[i32], give: usize) -> StreamingOutputCallRequest {
    let parameters = sizes.iter().map(|&size| ResponseParameters { size, compressed: None });
    StreamingOutputCallRequest {
        response_parameters: parameters.collect(),
        payload: payload(give),
        ..Default::default()
    }
}

fn failed_with<T>(answer: Result<T, Status>, code: Code, message: Option<&str>) -> Done {
    match answer {
        Ok(_) => Err("the call succeeded".into()),
        Err(status) => {
            equal(status.code(), code)?;
            message.map_or(Ok(()), |m| equal(status.message(), m))
        }
    }
}

#[derive(Clone)]
struct Client {
    endpoint: Endpoint,
    channel: Channel,
    zips: bool,
}

impl Client {
    async fn dial(endpoint: &Endpoint) -> Result<Client, Box<dyn Error>> {
        Ok(Client { endpoint: endpoint.clone(), channel: endpoint.connect().await?, zips: false })
    }

    fn zipping(&self) -> Client {
        Client { zips: true, ..self.clone() }
    }

    async fn grpc(&self) -> Result<Grpc<Channel>, Status> {
        let mut grpc = Grpc::new(self.channel.clone()).accept_compressed(CompressionEncoding::Gzip);
        if self.zips {
            grpc = grpc.send_compressed(CompressionEncoding::Gzip);
        }
        grpc.ready().await.map_err(|e| Status::unavailable(e.to_string()))?;
        Ok(grpc)
    }

    async fn path<Q, A>(&self, request: Request<Q>, path: &'static str) -> Answer<A>
    where
        Q: prost::Message + Send + Sync + 'static,
        A: prost::Message + Default + Send + Sync + 'static,
    {
        let path = PathAndQuery::from_static(path);
        self.grpc().await?.unary(request, path, ProstCodec::<Q, A>::default()).await
    }

    async fn simple(&self, request: Request<SimpleRequest>) -> Answer<SimpleResponse> {
        self.path(request, "/grpc.testing.TestService/UnaryCall").await
    }

    async fn unary(&self, request: SimpleRequest) -> Answer<SimpleResponse> {
        self.simple(Request::new(request)).await
    }

    async fn stream_out(
        &self,
        request: StreamingOutputCallRequest,
    ) -> Answer<Streaming<StreamingOutputCallResponse>> {
        let path = PathAndQuery::from_static("/grpc.testing.TestService/StreamingOutputCall");
        self.grpc().await?.server_streaming(Request::new(request), path, ProstCodec::default()).await
    }

    async fn stream_in<S>(&self, requests: S) -> Answer<StreamingInputCallResponse>
    where
        S: tokio_stream::Stream<Item = StreamingInputCallRequest> + Send + 'static,
    {
        let path = PathAndQuery::from_static("/grpc.testing.TestService/StreamingInputCall");
        let codec = ProstCodec::<StreamingInputCallRequest, StreamingInputCallResponse>::default();
        self.grpc().await?.client_streaming(Request::new(requests), path, codec).await
    }

    async fn duplex(&self, method: &'static str, metadata: MetadataMap) -> Result<Duplex, Status> {
        let (to, from) = mpsc::unbounded_channel();
        let mut request = Request::new(UnboundedReceiverStream::new(from));
        *request.metadata_mut() = metadata;
        let path = PathAndQuery::from_static(method);
        let mut grpc = self.grpc().await?;
        let replies = tokio::spawn(async move {
            let codec = ProstCodec::<StreamingOutputCallRequest, StreamingOutputCallResponse>::default();
            grpc.streaming(request, path, codec).await
        });
        Ok(Duplex { to: Some(to), opening: Some(replies), replies: None, initial: MetadataMap::new() })
    }
}

const FULL: &str = "/grpc.testing.TestService/FullDuplexCall";
const HALF: &str = "/grpc.testing.TestService/HalfDuplexCall";

/// A bidirectional call. The server's headers may come with its first message only, so they are not waited for before
/// the first request is sent.
struct Duplex {
    to: Option<mpsc::UnboundedSender<StreamingOutputCallRequest>>,
    opening: Option<tokio::task::JoinHandle<Answer<Streaming<StreamingOutputCallResponse>>>>,
    replies: Option<Streaming<StreamingOutputCallResponse>>,
    initial: MetadataMap,
}

impl Duplex {
    fn send(&self, request: StreamingOutputCallRequest) {
        let _ = self.to.as_ref().map(|to| to.send(request));
    }

    fn close(&mut self) {
        self.to = None;
    }

    async fn next(&mut self) -> Result<Option<i32>, Status> {
        if let Some(opening) = self.opening.take() {
            let response = opening.await.map_err(|e| Status::aborted(e.to_string()))??;
            self.initial = response.metadata().clone();
            self.replies = Some(response.into_inner());
        }
        match self.replies.as_mut() {
            Some(replies) => Ok(replies.message().await?.map(|m| size(&m.payload))),
            None => Ok(None),
        }
    }

    async fn ask(&mut self, request: StreamingOutputCallRequest) -> Done {
        let want = request.response_parameters[0].size;
        self.send(request);
        equal(self.next().await?, Some(want))
    }

    async fn end(&mut self) -> Done {
        self.close();
        equal(self.next().await?, None)
    }
}

// ---- the cases ----

async fn large_unary(c: &Client) -> Done {
    equal(size(&c.unary(simple()).await?.get_ref().payload), REPLY_BYTES)
}

async fn client_compressed_unary(c: &Client) -> Done {
    let zipped = SimpleRequest { expect_compressed: flag(true), ..simple() };
    failed_with(c.unary(zipped.clone()).await, Code::InvalidArgument, None)?;
    c.zipping().unary(zipped).await?;
    c.unary(SimpleRequest { expect_compressed: flag(false), ..simple() }).await?;
    Ok(())
}

async fn server_compressed_unary(c: &Client) -> Done {
    for zip in [true, false] {
        let reply = c.unary(SimpleRequest { response_compressed: flag(zip), ..simple() }).await?;
        equal(size(&reply.get_ref().payload), REPLY_BYTES)?;
    }
    Ok(())
}

fn inputs(sizes: &[usize], expect: Option<BoolValue>) -> impl tokio_stream::Stream<Item = StreamingInputCallRequest> {
    let message = |&size: &usize| StreamingInputCallRequest {
        payload: payload(size),
        expect_compressed: expect.clone(),
    };
    tokio_stream::iter(sizes.iter().map(message).collect::<Vec<_>>())
}

async fn client_streaming(c: &Client) -> Done {
    let reply = c.stream_in(inputs(&REQUESTS, None)).await?;
    equal(reply.get_ref().aggregated_payload_size, 74922)
}

async fn client_compressed_streaming(c: &Client) -> Done {
    let probe = c.stream_in(inputs(&[27182], flag(true))).await;
    failed_with(probe, Code::InvalidArgument, None)?;
    let reply = c.zipping().stream_in(inputs(&[27182, 45904], flag(true))).await?;
    equal(reply.get_ref().aggregated_payload_size, 73086)
}

async fn read_all(c: &Client, request: StreamingOutputCallRequest) -> Done {
    let want: Vec<i32> = request.response_parameters.iter().map(|p| p.size).collect();
    let mut replies = c.stream_out(request).await?.into_inner();
    let mut have = Vec::new();
    while let Some(reply) = replies.message().await? {
        have.push(size(&reply.payload));
    }
    equal(have, want)
}

async fn server_compressed_streaming(c: &Client) -> Done {
    let mut request = output(&[31415, 92653], 0);
    request.response_parameters[0].compressed = flag(true);
    request.response_parameters[1].compressed = flag(false);
    read_all(c, request).await
}

async fn ping_pong(c: &Client) -> Done {
    let mut duplex = c.duplex(FULL, MetadataMap::new()).await?;
    for (&reply, &give) in REPLIES.iter().zip(&REQUESTS) {
        duplex.ask(output(&[reply], give)).await?;
    }
    duplex.end().await
}

async fn half_duplex(c: &Client) -> Done {
    let mut duplex = c.duplex(HALF, MetadataMap::new()).await?;
    for reply in REPLIES {
        duplex.send(output(&[reply], 0));
    }
    duplex.close();
    for reply in REPLIES {
        equal(duplex.next().await?, Some(reply))?;
    }
    duplex.end().await
}

async fn empty_stream(c: &Client) -> Done {
    c.duplex(FULL, MetadataMap::new()).await?.end().await
}

/// tonic cancels by dropping. What can be seen of it is that the connection goes on.
async fn cancel_after_begin(c: &Client) -> Done {
    let call = c.stream_in(tokio_stream::pending());
    let late = tokio::time::timeout(Duration::from_millis(50), call).await;
    equal(late.is_err(), true)?;
    large_unary(c).await
}

async fn cancel_after_first_response(c: &Client) -> Done {
    let mut duplex = c.duplex(FULL, MetadataMap::new()).await?;
    duplex.ask(output(&[REPLIES[0]], REQUESTS[0])).await?;
    drop(duplex);
    large_unary(c).await
}

async fn timeout_on_sleeping_server(c: &Client) -> Done {
    let mut metadata = MetadataMap::new();
    metadata.insert("grpc-timeout", MetadataValue::from_static("1m"));
    let mut duplex = c.duplex(FULL, metadata).await?;
    match duplex.next().await {
        // tonic's own clock came first; this version calls that cancelled.
        Err(status) if status.message() == "Timeout expired" => equal(status.code(), Code::Cancelled),
        other => failed_with(other, Code::DeadlineExceeded, None),
    }
}

async fn custom_metadata(c: &Client) -> Done {
    let mut sent = MetadataMap::new();
    sent.insert(INITIAL, MetadataValue::from_static("test_initial_metadata_value"));
    sent.insert_bin(TRAILING, MetadataValue::from_bytes(SECRET));
    let mut request = Request::new(simple());
    *request.metadata_mut() = sent.clone();
    let unary = c.simple(request).await?; // tonic puts the trailers beside the headers
    let mut duplex = c.duplex(FULL, sent).await?;
    duplex.ask(output(&[REPLY_BYTES], REQUEST_BYTES)).await?;
    duplex.end().await?;
    let trailers = match duplex.replies.as_mut() {
        Some(replies) => replies.trailers().await?.unwrap_or_default(),
        None => MetadataMap::new(),
    };
    for (initial, trailing) in [(unary.metadata(), unary.metadata()), (&duplex.initial, &trailers)] {
        equal(initial.get(INITIAL).map(|v| v.as_bytes()), Some(&b"test_initial_metadata_value"[..]))?;
        let value = trailing.get_bin(TRAILING).ok_or("no trailer")?;
        equal(value.to_bytes()?.as_ref(), SECRET)?;
    }
    Ok(())
}

async fn status_is(c: &Client, code: i32, message: &str) -> Done {
    let asked = Some(EchoStatus { code, message: message.into() });
    let unary = c.unary(SimpleRequest { response_status: asked.clone(), ..Default::default() }).await;
    failed_with(unary, Code::from_i32(code), Some(message))?;
    let mut duplex = c.duplex(FULL, MetadataMap::new()).await?;
    duplex.send(StreamingOutputCallRequest { response_status: asked, ..Default::default() });
    failed_with(duplex.next().await, Code::from_i32(code), Some(message))
}

async fn every_status(c: &Client) -> Done {
    for code in 1..=16 {
        status_is(c, code, &format!("code {}", code)).await?;
    }
    Ok(())
}

async fn unimplemented(c: &Client, path: &'static str) -> Done {
    failed_with(c.path::<_, Empty>(Request::new(Empty {}), path).await, Code::Unimplemented, None)
}

async fn rpc_soak(c: &Client) -> Done {
    for _ in 0..SOAK_ROUNDS {
        large_unary(c).await?;
    }
    Ok(())
}

async fn channel_soak(c: &Client) -> Done {
    for _ in 0..SOAK_ROUNDS {
        large_unary(&Client::dial(&c.endpoint).await?).await?;
    }
    Ok(())
}

async fn run(c: &Client, case: &str) -> Done {
    match case {
        "empty_unary" => {
            c.path::<_, Empty>(Request::new(Empty {}), "/grpc.testing.TestService/EmptyCall").await?;
            Ok(())
        }
        "large_unary" => large_unary(c).await,
        "client_compressed_unary" => client_compressed_unary(c).await,
        "server_compressed_unary" => server_compressed_unary(c).await,
        "client_streaming" => client_streaming(c).await,
        "client_compressed_streaming" => client_compressed_streaming(c).await,
        "server_streaming" => read_all(c, output(&REPLIES, 0)).await,
        "server_compressed_streaming" => server_compressed_streaming(c).await,
        "ping_pong" => ping_pong(c).await,
        "half_duplex" => half_duplex(c).await,
        "empty_stream" => empty_stream(c).await,
        "cancel_after_begin" => cancel_after_begin(c).await,
        "cancel_after_first_response" => cancel_after_first_response(c).await,
        "timeout_on_sleeping_server" => timeout_on_sleeping_server(c).await,
        "custom_metadata" => custom_metadata(c).await,
        "status_code_and_message" => status_is(c, 2, "test status message").await,
        "special_status_message" => status_is(c, 2, SPECIAL).await,
        "every_status" => every_status(c).await,
        "unimplemented_method" => unimplemented(c, "/grpc.testing.TestService/UnimplementedCall").await,
        "unimplemented_service" => unimplemented(c, "/grpc.testing.UnimplementedService/UnimplementedCall").await,
        "rpc_soak" => rpc_soak(c).await,
        "channel_soak" => channel_soak(c).await,
        _ => Err("no such case".into()),
    }
}

// ---- around ----

fn endpoint(address: &str, ca: &str) -> Result<Endpoint, Box<dyn Error>> {
    if ca == "-" {
        return Ok(Endpoint::from_shared(format!("http://{}", address))?);
    }
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(std::fs::read(ca)?));
    Ok(Endpoint::from_shared(format!("https://{}", address))?.tls_config(tls)?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Done {
    let arguments: Vec<String> = std::env::args().collect();
    let client = Client::dial(&endpoint(&arguments[1], &arguments[2])?).await?;
    let mut failed = false;
    for case in &arguments[3..] {
        let done = match tokio::time::timeout(CASE_TIME, run(&client, case)).await {
            Ok(done) => done,
            Err(_) => Err("no end in sight".into()),
        };
        match done {
            Ok(()) => println!("ok {}", case),
            Err(error) => {
                failed = true;
                println!("failed {}: {}", case, error.to_string().replace('\n', " "));
            }
        }
    }
    std::process::exit(failed as i32)
}
