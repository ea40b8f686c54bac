// Package examples holds one small plugin in three languages.
//
// Each speaks to Chirp, an imaginary platform that chirpfake serves, and does
// all that the contract asks of a plugin with texts, pictures and replies. The
// test runs each as the host would, in a process of its own, and holds it to
// the contract. Start with the language you know.
package examples
