//go:build tools

// The Connect conformance runner, so that go.mod and go.sum pin it. tests/interop/run builds it.
package tools

import _ "connectrpc.com/conformance/cmd/connectconformance"
