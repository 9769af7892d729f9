// grpc-go's own ORCA client against a server: load reports out of band and on replies, as its balancers read them.
// orca <target>: prints what it was told, one JSON object, and ends with 0 once both kinds have come.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	v3 "github.com/cncf/xds/go/xds/data/orca/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/base"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/orca"
)

var onReply, outOfBand = make(chan *v3.OrcaLoadReport, 100), make(chan *v3.OrcaLoadReport, 100)

type listener struct{}

func (listener) OnLoadReport(r *v3.OrcaLoadReport) { outOfBand <- r }

type builder struct{}

func (builder) Build(info base.PickerBuildInfo) balancer.Picker {
	for conn := range info.ReadySCs {
		orca.RegisterOOBListener(conn, listener{}, orca.OOBListenerOptions{ReportInterval: 200 * time.Millisecond})
		return picker{conn}
	}
	return base.NewErrPicker(balancer.ErrNoSubConnAvailable)
}

type picker struct{ conn balancer.SubConn }

func (p picker) Pick(balancer.PickInfo) (balancer.PickResult, error) {
	return balancer.PickResult{SubConn: p.conn, Done: func(done balancer.DoneInfo) {
		if r, ok := done.ServerLoad.(*v3.OrcaLoadReport); ok {
			onReply <- r
		}
	}}, nil
}

func next(reports chan *v3.OrcaLoadReport, what string) *v3.OrcaLoadReport {
	select {
	case r := <-reports:
		return r
	case <-time.After(20 * time.Second):
		fmt.Fprintln(os.Stderr, "no report", what)
		os.Exit(1)
		return nil
	}
}

func main() {
	balancer.Register(base.NewBalancerBuilder("listening", builder{}, base.Config{}))
	conn, err := grpc.Dial(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"listening": {}}]}`))
	if err == nil {
		_, err = grpc_health_v1.NewHealthClient(conn).Check(context.Background(), &grpc_health_v1.HealthCheckRequest{},
			grpc.WaitForReady(true))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	reply := next(onReply, "on a reply")
	next(outOfBand, "out of band")
	stream := next(outOfBand, "out of band, the second")
	_ = json.NewEncoder(os.Stdout).Encode(map[string]any{
		"reply_mem":  reply.MemUtilization, "reply_utilization": reply.Utilization,
		"stream_mem": stream.MemUtilization, "stream_named": stream.NamedMetrics,
	})
}
