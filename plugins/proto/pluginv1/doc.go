// Package pluginv1 is the generated Go of plugins/proto/carillon/plugin/v1.
// Only plugins/sdk and adapters/pluginhost use it: everything else speaks
// ports/social.
package pluginv1
