//go:build tools

// buf, at the version of go.mod.
package buf

import _ "github.com/bufbuild/buf/cmd/buf"
