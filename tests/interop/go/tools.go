//go:build tools

// The programs that tests/interop/run builds from other modules, so that go.mod and go.sum pin them.
package tools

import (
	_ "github.com/grpc-ecosystem/grpc-health-probe"
	_ "google.golang.org/grpc/interop/client"
)
