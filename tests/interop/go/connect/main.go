// The interop cases with connect-go speaking gRPC: an HTTP/2 and a gRPC of its own (net/http), not grpc-go's.
//
// tests/interop/run calls it: connect <address> <CA file, or -> <case>... It prints "ok <case>" or "failed <case>: why".
// What must stay true: a case proves what grpc's doc/interop-test-descriptions.md says, or fails.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/net/http2"
	pb "google.golang.org/grpc/interop/grpc_testing"
)

const (
	requestBytes = 271828
	replyBytes   = 314159
	initial      = "x-grpc-test-echo-initial"
	trailing     = "x-grpc-test-echo-trailing-bin"
	special      = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
	soakRounds   = 10
)

var (
	replySizes   = []int32{31415, 9, 2653, 58979}
	requestSizes = []int{27182, 8, 1828, 45904}
)

type client struct {
	base       string
	http       func() *http.Client
	empty      *connect.Client[pb.Empty, pb.Empty]
	unary      *connect.Client[pb.SimpleRequest, pb.SimpleResponse]
	zipped     *connect.Client[pb.SimpleRequest, pb.SimpleResponse]
	streamOut  *connect.Client[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]
	streamIn   *connect.Client[pb.StreamingInputCallRequest, pb.StreamingInputCallResponse]
	zippedIn   *connect.Client[pb.StreamingInputCallRequest, pb.StreamingInputCallResponse]
	duplex     *connect.Client[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]
	halfDuplex *connect.Client[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]
}

func to[Req, Res any](h *http.Client, base, method string, options ...connect.ClientOption) *connect.Client[Req, Res] {
	options = append(options, connect.WithGRPC())
	return connect.NewClient[Req, Res](h, base+method, options...)
}

func dial(base string, makeHTTP func() *http.Client) *client {
	const service = "/grpc.testing.TestService/"
	h, zip := makeHTTP(), connect.WithSendGzip()
	return &client{
		base:       base,
		http:       makeHTTP,
		empty:      to[pb.Empty, pb.Empty](h, base, service+"EmptyCall"),
		unary:      to[pb.SimpleRequest, pb.SimpleResponse](h, base, service+"UnaryCall"),
		zipped:     to[pb.SimpleRequest, pb.SimpleResponse](h, base, service+"UnaryCall", zip),
		streamOut:  to[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse](h, base, service+"StreamingOutputCall"),
		streamIn:   to[pb.StreamingInputCallRequest, pb.StreamingInputCallResponse](h, base, service+"StreamingInputCall"),
		zippedIn:   to[pb.StreamingInputCallRequest, pb.StreamingInputCallResponse](h, base, service+"StreamingInputCall", zip),
		duplex:     to[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse](h, base, service+"FullDuplexCall"),
		halfDuplex: to[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse](h, base, service+"HalfDuplexCall"),
	}
}

func equal[T comparable](have, want T) error {
	if have != want {
		return fmt.Errorf("%v instead of %v", have, want)
	}
	return nil
}

func payload(size int) *pb.Payload {
	return &pb.Payload{Body: make([]byte, size)}
}

func simple() *pb.SimpleRequest {
	return &pb.SimpleRequest{ResponseSize: replyBytes, Payload: payload(requestBytes)}
}

func output(give int, sizes ...int32) *pb.StreamingOutputCallRequest {
	r := &pb.StreamingOutputCallRequest{Payload: payload(give)}
	for _, size := range sizes {
		r.ResponseParameters = append(r.ResponseParameters, &pb.ResponseParameters{Size: size})
	}
	return r
}

// isCode is nil when err carries this code and, unless it is "*", this message.
func isCode(err error, code connect.Code, message string) error {
	var e *connect.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("no error, or a strange one: %v", err)
	}
	if e.Code() != code || (message != "*" && e.Message() != message) {
		return fmt.Errorf("%v %q instead of %v %q", e.Code(), e.Message(), code, message)
	}
	return nil
}

// ---- the cases ----

func emptyUnary(ctx context.Context, c *client) error {
	_, err := c.empty.CallUnary(ctx, connect.NewRequest(&pb.Empty{}))
	return err
}

func unary(ctx context.Context, c *connect.Client[pb.SimpleRequest, pb.SimpleResponse], r *pb.SimpleRequest) error {
	reply, err := c.CallUnary(ctx, connect.NewRequest(r))
	if err != nil {
		return err
	}
	return equal(len(reply.Msg.Payload.Body), replyBytes)
}

func largeUnary(ctx context.Context, c *client) error {
	return unary(ctx, c.unary, simple())
}

func clientCompressedUnary(ctx context.Context, c *client) error {
	zipped, plain := simple(), simple()
	zipped.ExpectCompressed = &pb.BoolValue{Value: true}
	plain.ExpectCompressed = &pb.BoolValue{Value: false}
	if err := isCode(unary(ctx, c.unary, zipped), connect.CodeInvalidArgument, "*"); err != nil {
		return err
	}
	if err := unary(ctx, c.zipped, zipped); err != nil {
		return err
	}
	return unary(ctx, c.unary, plain)
}

func serverCompressedUnary(ctx context.Context, c *client) error {
	for _, zip := range []bool{true, false} {
		r := simple()
		r.ResponseCompressed = &pb.BoolValue{Value: zip}
		if err := unary(ctx, c.unary, r); err != nil {
			return err
		}
	}
	return nil
}

func streamIn(ctx context.Context, c *connect.Client[pb.StreamingInputCallRequest, pb.StreamingInputCallResponse],
	expect *pb.BoolValue, want int32, sizes ...int) error {
	stream := c.CallClientStream(ctx)
	for _, size := range sizes {
		err := stream.Send(&pb.StreamingInputCallRequest{Payload: payload(size), ExpectCompressed: expect})
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	reply, err := stream.CloseAndReceive()
	if err != nil {
		return err
	}
	return equal(reply.Msg.AggregatedPayloadSize, want)
}

func clientStreaming(ctx context.Context, c *client) error {
	return streamIn(ctx, c.streamIn, nil, 74922, requestSizes...)
}

func clientCompressedStreaming(ctx context.Context, c *client) error {
	yes := &pb.BoolValue{Value: true}
	if err := isCode(streamIn(ctx, c.streamIn, yes, 0, 27182), connect.CodeInvalidArgument, "*"); err != nil {
		return err
	}
	return streamIn(ctx, c.zippedIn, yes, 73086, 27182, 45904)
}

func streamOut(ctx context.Context, c *client, r *pb.StreamingOutputCallRequest) error {
	stream, err := c.streamOut.CallServerStream(ctx, connect.NewRequest(r))
	if err != nil {
		return err
	}
	defer stream.Close()
	at := 0
	for ; stream.Receive(); at++ {
		if at == len(r.ResponseParameters) {
			return errors.New("more replies than were asked for")
		}
		if err := equal(len(stream.Msg().Payload.Body), int(r.ResponseParameters[at].Size)); err != nil {
			return err
		}
	}
	if stream.Err() != nil {
		return stream.Err()
	}
	return equal(at, len(r.ResponseParameters))
}

func serverStreaming(ctx context.Context, c *client) error {
	return streamOut(ctx, c, output(0, replySizes...))
}

func serverCompressedStreaming(ctx context.Context, c *client) error {
	r := output(0, 31415, 92653)
	r.ResponseParameters[0].Compressed = &pb.BoolValue{Value: true}
	r.ResponseParameters[1].Compressed = &pb.BoolValue{Value: false}
	return streamOut(ctx, c, r)
}

type bidi = connect.BidiStreamForClient[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]

func ask(stream *bidi, r *pb.StreamingOutputCallRequest) error {
	if err := stream.Send(r); err != nil {
		return err
	}
	reply, err := stream.Receive()
	if err != nil {
		return err
	}
	return equal(len(reply.Payload.Body), int(r.ResponseParameters[0].Size))
}

// end half-closes and expects an orderly end with nothing more.
func end(stream *bidi) error {
	if err := stream.CloseRequest(); err != nil {
		return err
	}
	if _, err := stream.Receive(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%v instead of the end", err)
	}
	return stream.CloseResponse()
}

func pingPong(ctx context.Context, c *client) error {
	stream := c.duplex.CallBidiStream(ctx)
	for i, size := range replySizes {
		if err := ask(stream, output(requestSizes[i], size)); err != nil {
			return err
		}
	}
	return end(stream)
}

func halfDuplex(ctx context.Context, c *client) error {
	stream := c.halfDuplex.CallBidiStream(ctx)
	for _, size := range replySizes {
		if err := stream.Send(output(0, size)); err != nil {
			return err
		}
	}
	if err := stream.CloseRequest(); err != nil {
		return err
	}
	for _, size := range replySizes {
		reply, err := stream.Receive()
		if err != nil {
			return err
		}
		if err := equal(len(reply.Payload.Body), int(size)); err != nil {
			return err
		}
	}
	return end(stream)
}

func emptyStream(ctx context.Context, c *client) error {
	return end(c.duplex.CallBidiStream(ctx))
}

func cancelAfterBegin(ctx context.Context, c *client) error {
	ctx, cancel := context.WithCancel(ctx)
	stream := c.streamIn.CallClientStream(ctx)
	if err := stream.Send(nil); err != nil { // only the headers
		return err
	}
	cancel()
	_, err := stream.CloseAndReceive()
	return isCode(err, connect.CodeCanceled, "*")
}

func cancelAfterFirstResponse(ctx context.Context, c *client) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream := c.duplex.CallBidiStream(ctx)
	if err := ask(stream, output(requestSizes[0], replySizes[0])); err != nil {
		return err
	}
	cancel()
	_, err := stream.Receive()
	return isCode(err, connect.CodeCanceled, "*")
}

func timeoutOnSleepingServer(ctx context.Context, c *client) error {
	ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	stream := c.duplex.CallBidiStream(ctx)
	_ = stream.Send(output(requestSizes[0], replySizes[0]))
	_, err := stream.Receive()
	if err == nil {
		_, err = stream.Receive()
	}
	return isCode(err, connect.CodeDeadlineExceeded, "*")
}

func customMetadata(ctx context.Context, c *client) error {
	secret := []byte{0x0a, 0x0b, 0x0a, 0x0b, 0x0a, 0x0b}
	request := connect.NewRequest(simple())
	stream := c.duplex.CallBidiStream(ctx)
	for _, h := range []http.Header{request.Header(), stream.RequestHeader()} {
		h.Set(initial, "test_initial_metadata_value")
		h.Set(trailing, connect.EncodeBinaryHeader(secret))
	}
	reply, err := c.unary.CallUnary(ctx, request)
	if err != nil {
		return err
	}
	if err := ask(stream, output(requestBytes, replyBytes)); err != nil {
		return err
	}
	if err := end(stream); err != nil {
		return err
	}
	for _, got := range [][2]http.Header{{reply.Header(), reply.Trailer()}, {stream.ResponseHeader(), stream.ResponseTrailer()}} {
		if err := equal(got[0].Get(initial), "test_initial_metadata_value"); err != nil {
			return err
		}
		value, err := connect.DecodeBinaryHeader(got[1].Get(trailing))
		if err != nil {
			return err
		}
		if err := equal(string(value), string(secret)); err != nil {
			return err
		}
	}
	return nil
}

func statusIs(ctx context.Context, c *client, code connect.Code, text string) error {
	asked := &pb.EchoStatus{Code: int32(code), Message: text}
	_, err := c.unary.CallUnary(ctx, connect.NewRequest(&pb.SimpleRequest{ResponseStatus: asked}))
	if err := isCode(err, code, text); err != nil {
		return err
	}
	stream := c.duplex.CallBidiStream(ctx)
	if err := stream.Send(&pb.StreamingOutputCallRequest{ResponseStatus: asked}); err != nil {
		return err
	}
	_, err = stream.Receive()
	return isCode(err, code, text)
}

func statusCodeAndMessage(ctx context.Context, c *client) error {
	return statusIs(ctx, c, connect.CodeUnknown, "test status message")
}

func specialStatusMessage(ctx context.Context, c *client) error {
	return statusIs(ctx, c, connect.CodeUnknown, special)
}

func everyStatus(ctx context.Context, c *client) error {
	for code := connect.CodeCanceled; code <= connect.CodeUnauthenticated; code++ {
		if err := statusIs(ctx, c, code, "code "+code.String()); err != nil {
			return err
		}
	}
	return nil
}

func unimplemented(path string) func(context.Context, *client) error {
	return func(ctx context.Context, c *client) error {
		call := to[pb.Empty, pb.Empty](c.http(), c.base, path)
		_, err := call.CallUnary(ctx, connect.NewRequest(&pb.Empty{}))
		return isCode(err, connect.CodeUnimplemented, "*")
	}
}

func rpcSoak(ctx context.Context, c *client) error {
	for i := 0; i < soakRounds; i++ {
		if err := largeUnary(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func channelSoak(ctx context.Context, c *client) error {
	for i := 0; i < soakRounds; i++ {
		if err := largeUnary(ctx, dial(c.base, c.http)); err != nil {
			return err
		}
	}
	return nil
}

var cases = map[string]func(context.Context, *client) error{
	"empty_unary":                 emptyUnary,
	"large_unary":                 largeUnary,
	"client_compressed_unary":     clientCompressedUnary,
	"server_compressed_unary":     serverCompressedUnary,
	"client_streaming":            clientStreaming,
	"client_compressed_streaming": clientCompressedStreaming,
	"server_streaming":            serverStreaming,
	"server_compressed_streaming": serverCompressedStreaming,
	"ping_pong":                   pingPong,
	"half_duplex":                 halfDuplex,
	"empty_stream":                emptyStream,
	"cancel_after_begin":          cancelAfterBegin,
	"cancel_after_first_response": cancelAfterFirstResponse,
	"timeout_on_sleeping_server":  timeoutOnSleepingServer,
	"custom_metadata":             customMetadata,
	"status_code_and_message":     statusCodeAndMessage,
	"special_status_message":      specialStatusMessage,
	"every_status":                everyStatus,
	"unimplemented_method":        unimplemented("/grpc.testing.TestService/UnimplementedCall"),
	"unimplemented_service":       unimplemented("/grpc.testing.UnimplementedService/UnimplementedCall"),
	"rpc_soak":                    rpcSoak,
	"channel_soak":                channelSoak,
}

// ---- around ----

func httpClients(ca string) (scheme string, makeHTTP func() *http.Client, err error) {
	if ca == "-" {
		clear := func(ctx context.Context, network, address string, _ *tls.Config) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
		return "http://", func() *http.Client {
			return &http.Client{Transport: &http2.Transport{AllowHTTP: true, DialTLSContext: clear}}
		}, nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return "", nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return "https://", func() *http.Client {
		return &http.Client{Transport: &http2.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	}, nil
}

func main() {
	scheme, makeHTTP, err := httpClients(os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	c := dial(scheme+os.Args[1], makeHTTP)
	failed := false
	for _, name := range os.Args[3:] {
		run, known := cases[name]
		if !known {
			run = func(context.Context, *client) error { return errors.New("no such case") }
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		if err := run(ctx, c); err != nil {
			failed = true
			fmt.Printf("failed %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Println("ok", name)
		}
		cancel()
	}
	if failed {
		os.Exit(1)
	}
}
