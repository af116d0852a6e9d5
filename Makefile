# A thin front: meson builds, tools/ does the work. `make help` lists what there is.
PLATEN_CACHE ?= $(HOME)/.cache/platen
SDK ?= $(PLATEN_CACHE)/sdk
PREFIX ?= /usr/local
PORT ?= 5001
BUILD := build
export PLATEN_CACHE

.PHONY: all build setup demo check serve bench chaos install format clean help
all: build

build: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

# A packager who gives SDK=... has set up already; for everybody else it is silent when there is nothing to do.
ifeq ($(origin SDK),file)
$(BUILD)/build.ninja: | setup
endif
$(BUILD)/build.ninja:
	@meson setup $(BUILD) --buildtype=release --prefix=$(PREFIX) -Dtests=false -Dsdk=$(SDK)

setup:
	@tools/setup

demo: build
	@tools/demo

serve: build
	@exec $(BUILD)/platend --port $(PORT)

check:
	@tools/setup --dev
	@tools/check

bench: build
	@ninja -C $(BUILD) bench/ocr/bench-ocr
	@bench/run

# Heavy: 10,000 tasks and 1,000 kills, about a quarter of an hour.
chaos:
	@tools/setup --dev
	@test -e build-check/build.ninja || meson setup build-check -Dsdk=$(SDK) -Dtests=true --buildtype=debugoptimized
	@ninja -C build-check
	@tests/chaos/chaos.py --tasks 10000 --kills 1000 build-check

# Builds nothing, so that root (whose cache is another one) can run it after a user's make.
install:
	@test -e $(BUILD)/build.ninja || { echo 'nothing is built yet: run make first' >&2; exit 1; }
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild

format:
	@find src tests bench -name '*.[ch]' -print0 2>/dev/null | xargs -0r clang-format-16 -i

clean:
	@rm -rf build build-check build-asan

help:
	@echo 'make            release build into build/ (fetches libraries and models the first time)'
	@echo 'make demo       set up, build, convert the example documents and show the results'
	@echo 'make serve      build, then run the service on PORT ($(PORT)) in the foreground'
	@echo 'make check      every test, then again under the sanitizers; tools/check quick leaves those out'
	@echo 'make bench      the benchmarks'
	@echo 'make chaos      10,000 tasks under 1,000 kill -9 (a quarter of an hour)'
	@echo 'make install    into PREFIX ($(PREFIX)), below DESTDIR if given'
	@echo 'make setup      install Debian packages, libraries and models; tools/setup --dev: those of the tests too'
	@echo 'make format     clang-format over the sources'
	@echo 'make clean      remove the build folders'
