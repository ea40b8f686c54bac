package main

import (
	"context"
	"errors"
)

func serveBare(context.Context, []string) error { return errors.New("not yet") }
