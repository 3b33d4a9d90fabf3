// Package typed measures the time from the bytes of a stream to its decoded chunks: this
// library with several JSON decoders, and the typed streams of openai-go and
// anthropic-sdk-go. It is apart from package benchmarks because the SDKs take long to
// compile.
//
// The functions with a decoder can be copied. The command cmd/typed runs the benchmarks
// with the supported releases of Go and writes the tables of the README.
package typed
