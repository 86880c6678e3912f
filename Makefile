# The door: what a person types. Meson behind it knows the files.
#
#   make        build build/kennel            make up      build all and bring up Happy Tails
#   make test   every test                    make down    stop it and leave no trace
#   make lint   format, tidy, our checkers    make bench   figures (BENCH=name for one)
#   make fuzz   FUZZ=json SECONDS=60: one harness of tests/fuzz with clang's engine
#   make deps   only install what all of these need; each of them installs what it needs itself
#   make format, make san (tests' build), make images (of Happy Tails), make install, make clean
BUILD ?= build
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib

.PHONY: all help deps images up down test lint format bench fuzz install clean san

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

help:
	@sed -n 's/^#//p' Makefile

$(BUILD)/build.ninja:
	@dev/deps build
	@meson setup $(BUILD) >/dev/null

$(BUILD)-san/build.ninja:
	@meson setup $(BUILD)-san -Db_sanitize=address,undefined -Dbuildtype=debug -Doptimization=1 -Dwerror=false >/dev/null

deps:
	@dev/deps

images: $(BUILD)/build.ninja
	@ninja -C $(BUILD) kennel
	@$(SUDO) examples/happy-tails/build-images $(BUILD)/images

up:
	@dev/deps build run images
	@$(MAKE) --no-print-directory images
	@$(SUDO) $(BUILD)/kennel up --load $(BUILD)/images -f examples/happy-tails/manifests

down:
	@test -x $(BUILD)/kennel || { echo "make down: no $(BUILD)/kennel here; 'make' builds it" >&2; exit 2; }
	@$(SUDO) $(BUILD)/kennel down

san: $(BUILD)-san/build.ninja
	@ninja -C $(BUILD)-san

test:
	@dev/deps build run images tests
	@$(MAKE) --no-print-directory all san images
	@$(SUDO) tests/run --build $(BUILD) --san $(BUILD)-san

lint:
	@dev/deps build tests lint
	@$(MAKE) --no-print-directory all
	@dev/lint $(BUILD)

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

bench:
	@dev/deps build run images tests bench
	@$(MAKE) --no-print-directory all images
	@$(SUDO) tests/bench/run --build $(BUILD) $(BENCH)

SECONDS ?= 60
$(BUILD)-fuzz/build.ninja:
	@dev/deps build fuzz
	@CC=clang-14 meson setup $(BUILD)-fuzz -Dengine=true -Db_sanitize=address,undefined -Db_lundef=false \
		-Dbuildtype=debug -Doptimization=1 -Dwerror=false >/dev/null

fuzz: $(BUILD)-fuzz/build.ninja
	@dev/fuzz $(BUILD)-fuzz "$(FUZZ)" "$(SECONDS)"

# Builds nothing that is there, so that 'make && sudo make install' leaves no file of root's in the build.
install:
	@test -x $(BUILD)/kennel -a -e $(BUILD)/src/library/libkennel-analyse.so.1.0.0 || $(MAKE) --no-print-directory all
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/bin $(BUILD)/kennel $(BUILD)/kennel-analyse
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/include/kennel include/kennel/analyse.h
	install -D -m 644 -t $(DESTDIR)$(LIBDIR) $(BUILD)/src/library/libkennel-analyse.a
	install -D -m 644 -t $(DESTDIR)$(LIBDIR) $(BUILD)/src/library/libkennel-analyse.so.1.0.0
	ln -sf libkennel-analyse.so.1.0.0 $(DESTDIR)$(LIBDIR)/libkennel-analyse.so.1
	ln -sf libkennel-analyse.so.1 $(DESTDIR)$(LIBDIR)/libkennel-analyse.so
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig
	sed 's|^prefix=.*|prefix=$(PREFIX)|; s|^libdir=.*|libdir=$(LIBDIR)|' $(BUILD)/meson-private/kennel-analyse.pc \
		>$(DESTDIR)$(LIBDIR)/pkgconfig/kennel-analyse.pc

# Images and logs of tests are root's.
clean:
	rm -rf $(BUILD) $(BUILD)-san $(BUILD)-fuzz 2>/dev/null || $(SUDO) rm -rf $(BUILD) $(BUILD)-san
