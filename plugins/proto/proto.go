// Package proto holds the wire between the host and its plugins: protobuf
// under carillon/plugin/v1, generated Go in pluginv1.
//
// A major version is append-only. A plugin in any language needs these files
// and nothing else of this repository. Start with plugin.proto.
package proto

//go:generate sh -c "cd ../.. && go tool -modfile=tools/buf.mod buf generate"
