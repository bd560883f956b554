# mod_oidc_gate
#
#   make                build/mod_oidc_gate.so
#   make demo           the gate, a real provider and a backend, to try by hand
#   make check          every test that a change must pass; installs what it needs
#   make SAN=1 check    the same under AddressSanitizer and UBSan
#   make TSAN=1 check-threads   the tests in which threads meet, under ThreadSanitizer
#   make analyze        what gcc -fanalyzer, clang, clang-tidy and cppcheck have to say of the source: nothing
#   make leaks          httpd under valgrind, with everybody at once: nothing lost, nothing touched amiss; and 100,000 hits
#   make check-long     sessions under restarts, kills, floods and races, in their long forms; hours
#   make coverage       which lines and branches of src the tests reach; COVERAGE='unit replay' for those alone
#   make mutants        the module without one decisive check at a time, which some test must notice
#   make bench          what it all costs, beside plain httpd and Debian's mod_auth_openidc; half an hour. QUICK=1: a few minutes
#   make fuzz           libFuzzer targets (clang); FUZZ_SECONDS=60 for each
#   make deb            the Debian package
#   make install        honours DESTDIR
#
# V=1 shows the commands in full.

APXS       ?= apxs
PKG_CONFIG ?= pkg-config
PROVE      ?= prove
B          := build$(if $(SAN),-san)$(if $(TSAN),-tsan)$(if $(COV),-cov)

# Yours to override.
CFLAGS     ?= $(if $(SAN)$(TSAN),-O1 -fno-omit-frame-pointer,$(if $(COV),-O0,-O2 -D_FORTIFY_SOURCE=3)) -g
LDFLAGS    ?= -Wl,-z,relro -Wl,-z,now

# The source's own. On a machine where nothing is installed yet the questions below have no answer; tests/deps comes first.
LIBS       := libcrypto jansson libcurl
APR        := $(shell $(APXS) -q APR_CONFIG 2>/dev/null)
INC_APR    := $(if $(APR),$(shell $(APR) --cppflags) $(patsubst -I%,-isystem %,$(shell $(APR) --includes)))
INC_HTTPD  := -isystem $(shell $(APXS) -q INCLUDEDIR 2>/dev/null)
WARN       := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
              -Wwrite-strings -Wvla -Wformat=2 -Wcast-qual -Wno-unused-parameter
SANITIZE   := $(if $(SAN),-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all) \
              $(if $(TSAN),-fsanitize=thread) $(if $(COV),--coverage -fprofile-update=atomic)
# What a return address and an indirect jump are worth to an attacker; where the compiler has it for this machine.
HARDEN     := -fstack-protector-strong $(foreach flag,-fstack-clash-protection -fcf-protection,$(shell \
              $(CC) $(flag) -c -x c /dev/null -o /dev/null 2>/dev/null && echo $(flag)))
OURS       := -std=gnu11 -fPIC -fvisibility=hidden $(HARDEN) $(WARN) $(SANITIZE)
COMPILE     = $(CC) -Isrc $(INC_APR) $(shell $(PKG_CONFIG) --cflags $(LIBS)) \
              $(CPPFLAGS) $(OURS) $(CFLAGS) -MMD -MP
# Before a command: its name and what it makes stand for it.
SHORT       = $(if $(V),,@echo '$(1) $@';)
LINK_PURE   = $(ZONES) $(LDFLAGS) $(shell $(PKG_CONFIG) --libs $(LIBS)) $(shell $(APR) --link-ld)

SRC        := mod_oidc_gate.c $(sort $(wildcard src/*/*.c))
OBJ        := $(SRC:%.c=$(B)/%.o)
PURE       := $(filter-out $(B)/mod_oidc_gate.o $(B)/src/httpd/%,$(OBJ))
UNIT       := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/*.c))
BENCH      := $(patsubst tests/bench/%.c,$(B)/bench-%,$(wildcard tests/bench/*.c))
FUZZERS    := $(filter-out tests/fuzz/replay.c,$(wildcard tests/fuzz/*.c))
FUZZ       := $(FUZZERS:tests/fuzz/%.c=build-fuzz/%)
REPLAY     := $(FUZZERS:tests/fuzz/%.c=$(B)/replay/%)
FUZZ_SECONDS ?= 60

.PHONY: all check check-all check-layers check-unit check-replay check-manual check-mutants check-server check-interop \
        check-threads analyze leaks check-long mutants coverage cover-unit cover-replay cover-server demo deps bench fuzz deb \
        install clean
all: $(B)/mod_oidc_gate.so

# nodelete: httpd unloads modules when it reads its configuration again, but what must outlive that (the store, keys,
# libraries with threads of their own) keeps pointing into this one.
$(B)/mod_oidc_gate.so: $(OBJ)
	$(call SHORT,link)$(CC) -shared $(SANITIZE) $(LDFLAGS) -Wl,-z,nodelete -Wl,--as-needed -o $@ $^ \
	    $(shell $(PKG_CONFIG) --libs $(LIBS))

# What tells a sanitizer where each piece of a pool ends: linked into programs, loaded before httpd.
ifdef SAN
ZONES      := $(B)/tests/redzones.o
all check-server check-server-event check-server-prefork check-server-worker: $(B)/redzones.so
$(B)/redzones.so: $(ZONES)
	$(call SHORT,link)$(CC) -shared -o $@ $<
endif
# And what tells the other sanitizer when such a piece passes from thread to thread.
$(B)/handover.so: $(B)/tests/handover.o
	$(call SHORT,link)$(CC) -shared -o $@ $<
%/tests/redzones.o %/tests/handover.o: COMPILE = $(CC) -std=gnu11 -fPIC $(INC_APR) $(CFLAGS) $(WARN)

# Only the adapter is ever shown httpd's headers.
$(B)/mod_oidc_gate.o $(B)/src/httpd/%.o: INC_APR += $(INC_HTTPD)

$(B)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call SHORT,cc)$(COMPILE) -c -o $@ $<

# Unit tests link everything but the adapter, and no httpd: the layering, checked by ld.
$(B)/unit/%: tests/unit/%.c $(PURE) $(ZONES)
	@mkdir -p $(@D)
	$(call SHORT,cc)$(COMPILE) -Itests/unit -o $@ $< $(PURE) $(LINK_PURE)

# What the bench asks without httpd is built with the tests, so that it always can be.
$(B)/bench-%: tests/bench/%.c $(PURE) $(ZONES)
	$(call SHORT,cc)$(COMPILE) -Itests/unit -o $@ $< $(PURE) $(LINK_PURE)

# Each fuzz target once more with a plain main, to which its corpus is given.
$(B)/replay/%: tests/fuzz/%.c tests/fuzz/replay.c $(PURE) $(ZONES) $(wildcard tests/fuzz/*.h tests/unit/*.h)
	@mkdir -p $(@D)
	$(call SHORT,cc)$(COMPILE) -Itests/fuzz -Itests/unit -DREPLAY_NAME='"$*"' -o $@ $< tests/fuzz/replay.c $(PURE) $(LINK_PURE)

deps:
	sh tests/deps

# The browser is large, and nothing else wants it. What failed at the servers is said once more at the very end.
check: export GATE_FAILURES = $(CURDIR)/$(B)/failures
check: deps
	sh tests/deps chromium
	@$(RM) $(B)/failures
	$(MAKE) -j2 check-all || { cat $(B)/failures 2>/dev/null; false; }

# One after the other, so that the output can be read; what is built for them is built at once.
check-all: check-layers $(B)/mod_oidc_gate.so $(UNIT) $(REPLAY) $(BENCH)
	$(MAKE) check-unit
	$(MAKE) check-replay
	$(MAKE) check-manual
	$(MAKE) check-mutants
	$(MAKE) check-server
	$(MAKE) check-interop
check-layers:
	sh tests/layers
check-unit: $(UNIT)
	BUILD=$(B) $(PROVE) -e '' $(UNIT)
	BUILD=$(B) $(PROVE) $(wildcard tests/unit/*.t)
check-replay: $(REPLAY)
	$(PROVE) -e '' $(REPLAY)
check-manual: $(B)/mod_oidc_gate.so
	GATE_SO=$(CURDIR)/$< $(PROVE) -e perl tests/manual
# Without each decisive check in turn: some test must fail. `make mutants` takes out those that need a server too.
check-mutants: $(UNIT)
	BUILD=$(B) tests/mutants --short
mutants: $(B)/mod_oidc_gate.so $(UNIT)
	BUILD=$(B) tests/mutants
# At once, because tests wait more than they work; worker is event's elder brother, and gets the main stories.
check-server: $(B)/mod_oidc_gate.so
	$(MAKE) --output-sync check-server-event check-server-prefork check-server-worker
check-server-worker: SERVER_TESTS = $(MAIN_STORIES:%=tests/server/%.t)
MAIN_STORIES := access bearer client-credentials code-flow introspection session
check-server-%: $(B)/mod_oidc_gate.so
	GATE_MPM=$* GATE_SO=$< tests/run $(if $(SAN),-httpd $(CURDIR)/tests/httpd-san) $(SERVER_TESTS)
check-interop: $(B)/mod_oidc_gate.so
	sh tests/interop/setup
	GATE_INTEROP_MUST=1 GATE_SO=$< tests/run tests/interop

# The same tests as in check-server, with the counts that are promised.
LONG := restart kill strangers renewal-storm races
check-long: $(B)/mod_oidc_gate.so $(B)/unit/fork
	GATE_LONG=1 nice $(B)/unit/fork
	GATE_LONG=1 GATE_MPM=$(or $(GATE_MPM),event) GATE_SO=$< nice tests/run -v $(LONG:%=tests/server/%.t)

# The tests that start threads; but store_kill steps through every instruction, of which there would be a hundred times as many.
THREADED   := $(filter-out $(B)/unit/store_kill,\
              $(patsubst tests/unit/%.c,$(B)/unit/%,$(shell grep -l pthread_create tests/unit/*.c)))
CROWDED    := memory races flood introspection client-credentials
check-threads: $(THREADED) $(B)/mod_oidc_gate.so $(B)/handover.so
	TSAN_OPTIONS=die_after_fork=0:halt_on_error=1 $(PROVE) -e '' $(THREADED)
	GATE_MPM=event GATE_SO=$(B)/mod_oidc_gate.so tests/run -httpd $(CURDIR)/tests/httpd-tsan $(CROWDED:%=tests/server/%.t)

# Each file by itself, so that only what has changed is looked at again. Where a checker errs, the reason stands beside what it is
# told not to say; what is not asked of any file is here and in .clang-tidy.
ANALYZED   := $(SRC:%.c=build-analyze/%.o)
analyze:
	sh tests/deps clang clang-tidy cppcheck
	$(MAKE) -k -j2 build-analyze/cppcheck $(ANALYZED)
build-analyze/%.o: COMPILE_FOR = -Isrc $(INC_APR) $(INC_HTTPD) $(shell $(PKG_CONFIG) --cflags $(LIBS)) -std=gnu11 $(WARN)
build-analyze/%.o: %.c Makefile .clang-tidy
	@mkdir -p $(@D)
	@echo $<
	@gcc $(COMPILE_FOR) -O1 -fanalyzer -Werror -MMD -MP -MT $@ -MF $(@:.o=.d) -c -o $@.checked $<
	@clang $(COMPILE_FOR) -Wconversion -Werror -fsyntax-only $<
	@clang-tidy --quiet $< -- $(COMPILE_FOR) 2>$@.said || { cat $@.said; false; }
	@mv $@.checked $@
# shadowFunction: a value may be called what the function is called that makes it. redundantContinue: a loop without a body.
build-analyze/cppcheck: $(SRC) $(wildcard src/*/*.h) Makefile
	@mkdir -p $(@D)
	cppcheck -q --std=c11 --enable=warning,style,performance,portability --inline-suppr --error-exitcode=1 \
	    --suppress=shadowFunction --suppress=redundantContinue -Isrc $(SRC)
	@touch $@

leaks: $(B)/mod_oidc_gate.so
	sh tests/deps valgrind
	GATE_MPM=$(or $(GATE_MPM),event) GATE_SO=$< tests/run -v tests/leaks

# What is compiled for this writes down, as each process ends, what it ran; so whoever the server becomes must be able to.
COVERAGE ?= unit replay server
coverage:
	$(MAKE) COV=1 build-cov/mod_oidc_gate.so
	find build-cov -name '*.gcda' -delete
	$(foreach what,$(COVERAGE),$(MAKE) COV=1 cover-$(what);) true
	tests/coverage build-cov
cover-unit: check-unit
cover-replay: check-replay
cover-server: $(B)/mod_oidc_gate.so
	chmod -R a+rwX $(B)
	GATE_MPM=event GATE_SO=$< tests/run

demo: deps
	$(MAKE) -j2 all
	sh tests/interop/setup
	conf/demo/run

bench: deps
	$(MAKE) -j2 all $(BENCH)
	tests/bench/run $(if $(QUICK),--quick)

# The fuzz targets, and what they link, by a compiler that has libFuzzer. Kept apart: these objects report what they reach.
FUZZ_CC    := clang -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
FUZZ_OBJ   := $(PURE:$(B)/%=build-fuzz/%)
.SECONDARY: $(FUZZ_OBJ)
build-fuzz/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call SHORT,clang)$(FUZZ_CC) -fsanitize=fuzzer-no-link -Isrc $(INC_APR) -MMD -MP -c -o $@ $<

build-fuzz/%: ZONES = build-fuzz/tests/redzones.o
build-fuzz/%: tests/fuzz/%.c $(FUZZ_OBJ) build-fuzz/tests/redzones.o
	@mkdir -p $(@D)
	$(call SHORT,clang)$(FUZZ_CC) -fsanitize=fuzzer -Isrc -Itests/fuzz -Itests/unit $(INC_APR) -MMD -MP -o $@ $< $(FUZZ_OBJ) $(LINK_PURE)
fuzz: $(FUZZ)
	tests/fuzz/run $(FUZZ_SECONDS) $(FUZZ)

deb:
	dpkg-buildpackage -us -uc -b

install: $(B)/mod_oidc_gate.so
	install -D -m 644 $< $(DESTDIR)$(shell $(APXS) -q LIBEXECDIR)/mod_oidc_gate.so

clean:
	$(RM) -r build build-san build-tsan build-cov build-fuzz build-analyze

-include $(OBJ:.o=.d) $(UNIT:%=%.d) $(REPLAY:%=%.d) $(FUZZ:%=%.d) $(FUZZ_OBJ:.o=.d) $(ANALYZED:.o=.d)
