# The door: what a person types. Meson behind it knows the files.
#
#   make        build build/kennel            make up      build all and bring up Happy Tails
#   make test   every test                    make down    stop it and leave no trace
#   make lint   format, tidy, our checkers    make bench   figures (BENCH=name for one)
#   make fuzz   FUZZ=json SECONDS=60: one harness of tests/fuzz with clang's engine
BUILD ?= build
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
PREFIX ?= /usr/local

.PHONY: all deps images up down test lint format bench fuzz install clean san

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@meson setup $(BUILD) >/dev/null

$(BUILD)-san/build.ninja:
	@meson setup $(BUILD)-san -Db_sanitize=address,undefined -Dbuildtype=debug -Doptimization=1 -Dwerror=false >/dev/null

deps:
	@dev/deps

images: all
	@$(SUDO) examples/happy-tails/build-images $(BUILD)/images

up: deps images
	@$(SUDO) $(BUILD)/kennel up --load $(BUILD)/images -f examples/happy-tails/manifests

down:
	@$(SUDO) $(BUILD)/kennel down

san: $(BUILD)-san/build.ninja
	@ninja -C $(BUILD)-san

test: deps images
	@$(MAKE) --no-print-directory $(BUILD)/build.ninja $(BUILD)-san/build.ninja
	@ninja -C $(BUILD)
	@ninja -C $(BUILD)-san
	@$(SUDO) tests/run --build $(BUILD) --san $(BUILD)-san

lint: $(BUILD)/build.ninja
	@dev/lint $(BUILD)

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

bench: deps images
	@ninja -C $(BUILD)
	@$(SUDO) tests/bench/run --build $(BUILD) $(BENCH)

SECONDS ?= 60
$(BUILD)-fuzz/build.ninja:
	@CC=clang-14 meson setup $(BUILD)-fuzz -Dengine=true -Db_sanitize=address,undefined -Db_lundef=false \
		-Dbuildtype=debug -Doptimization=1 -Dwerror=false >/dev/null

fuzz: $(BUILD)-fuzz/build.ninja
	@dev/fuzz $(BUILD)-fuzz "$(FUZZ)" "$(SECONDS)"

install: all
	install -D -m 755 $(BUILD)/kennel $(DESTDIR)$(PREFIX)/bin/kennel

clean:
	rm -rf $(BUILD) $(BUILD)-san $(BUILD)-fuzz
