module github.com/fetchsse/sse/interop

go 1.26.0

require (
	github.com/fetchsse/sse v0.0.0
	github.com/stretchr/testify v1.12.1
)

replace github.com/fetchsse/sse => ../
