package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"

	provider "github.com/pulumi/pulumi-go-provider"
)

// execute runs one command to its end and returns what it printed.
//
// A cancelled context kills the command's own process and no descendant of it, as the official plugin does.
func execute(ctx context.Context, command string, process Process, previous Outcome) (Outcome, error) {
	argv := append(interpreter(process), command)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = environment(process, previous)
	if process.Dir != nil {
		cmd.Dir = *process.Dir
	}
	if process.Stdin != nil {
		cmd.Stdin = strings.NewReader(*process.Stdin)
	}

	var stdout, stderr bytes.Buffer
	both := &lockedWriter{}
	log := newLineLog(ctx)
	cmd.Stdout = tee(&stdout, both, log, process.shows(logStdout))
	cmd.Stderr = tee(&stderr, both, log, process.shows(logStderr))
	err := errors.Join(cmd.Run(), log.Close())
	if err != nil {
		return Outcome{}, fmt.Errorf("%w: running %q:\n%s", err, command, both.buffer.String())
	}
	return Outcome{
		Stdout: strings.TrimSuffix(stdout.String(), "\n"),
		Stderr: strings.TrimSuffix(stderr.String(), "\n"),
	}, nil
}

func interpreter(process Process) []string {
	if process.Interpreter != nil && len(*process.Interpreter) > 0 {
		return append([]string{}, *process.Interpreter...)
	}
	if runtime.GOOS == "windows" {
		return []string{"cmd", "/C"}
	}
	return []string{"/bin/sh", "-c"}
}

// environment is the plugin's own, then what the inputs add, then the previous output: the last of a name wins.
func environment(process Process, previous Outcome) []string {
	variables := os.Environ()
	if process.Environment != nil {
		for name, value := range *process.Environment {
			variables = append(variables, name+"="+value)
		}
	}
	if process.passesPreviousOutput() {
		if previous.Stdout != "" {
			variables = append(variables, "PULUMI_COMMAND_STDOUT="+previous.Stdout)
		}
		if previous.Stderr != "" {
			variables = append(variables, "PULUMI_COMMAND_STDERR="+previous.Stderr)
		}
	}
	return variables
}

// tee writes one stream to its own buffer, to the one that an error shows, and to the log where it is wanted.
func tee(own, both io.Writer, log *lineLog, shown bool) io.Writer {
	if shown {
		return io.MultiWriter(own, both, log)
	}
	return io.MultiWriter(own, both)
}

// lockedWriter is one buffer that both streams of a process may write to.
type lockedWriter struct {
	mutex  sync.Mutex
	buffer bytes.Buffer
}

func (w *lockedWriter) Write(data []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.buffer.Write(data)
}

// lineLog shows what is written to it, line by line, as the status of the resource.
type lineLog struct {
	*io.PipeWriter
	done chan struct{}
}

func newLineLog(ctx context.Context) *lineLog {
	reader, writer := io.Pipe()
	log := &lineLog{PipeWriter: writer, done: make(chan struct{})}
	logger := provider.GetLogger(ctx)
	go func() {
		defer close(log.done)
		lines := bufio.NewReader(reader)
		for {
			// Not a Scanner: it ends at the first line over 64 KiB and would block the command.
			line, err := lines.ReadString('\n')
			if line != "" {
				logger.InfoStatus(strings.TrimSuffix(line, "\n"))
			}
			if err != nil {
				return
			}
		}
	}()
	return log
}

// Close waits until the last line is shown.
func (l *lineLog) Close() error {
	err := l.PipeWriter.Close()
	<-l.done
	return err
}
