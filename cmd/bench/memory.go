package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// withoutTheOther measures what plugins cost where there is but one program.
func withoutTheOther(ctx context.Context, h *house, r *report) error {
	if h.pluginProgram() == h.opt.binary {
		return nil
	}
	alone := *h
	alone.opt.plugins = h.opt.binary
	each, all, err := alone.memory(ctx)
	if err == nil {
		r.plain("memory of one more plugin, one program alone", each, "MB", "where there is no carillon-plugins; 40 of them: "+number(all)+" MB")
	}
	return err
}

func memoryOfPlugins(ctx context.Context, h *house, r *report) error {
	each, all, err := h.memory(ctx)
	if err != nil {
		return err
	}
	r.plain("memory of one more plugin", each, "MB", fmt.Sprintf("proportional set size, from %d processes of %s to %d", len(benched), filepath.Base(h.pluginProgram()), sets*len(benched)))
	r.atMost("memory of 40 plugins", all, 200, "MB", "extrapolated: three as measured, 37 more at what one more costs; idle, just started")
	return nil
}

// sets is how many times over the plugins that there are are started.
const sets = 4

// memory starts more and more plugins and looks at what each adds, and what 40
// would have, in MB. A host has one process an ID, so each set has a host of
// its own.
func (h *house) memory(ctx context.Context) (each, forty float64, err error) {
	var first, last float64
	var pids []int
	for i := range sets {
		host, err := h.hostOf(benched...)
		if err != nil {
			return 0, 0, err
		}
		defer func() { _ = host.Close(ctx) }()
		if n := len(host.List(ctx)); n != len(benched) {
			return 0, 0, fmt.Errorf("%d of %d plugins started", n, len(benched))
		}
		for _, s := range host.Status() {
			pids = append(pids, s.PID)
		}
		if last, err = proportional(pids); err != nil {
			return 0, 0, err
		}
		if i == 0 {
			first = last
		}
	}
	each = (last - first) / float64((sets-1)*len(benched))
	return each, first + each*float64(40-len(benched)), nil
}

// proportional sums the proportional set size of processes, in MB.
func proportional(pids []int) (mb float64, err error) {
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return 0, err
		}
		for _, line := range strings.Split(string(b), "\n") {
			if f := strings.Fields(line); len(f) == 3 && f[0] == "Pss:" {
				kb, err := strconv.ParseFloat(f[1], 64)
				if err != nil {
					return 0, err
				}
				mb += kb / 1024
			}
		}
	}
	return mb, nil
}
