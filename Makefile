# SPDX-License-Identifier: GPL-2.0

# The kernel to build for: a build folder with Rust metadata. 'make run' and 'make test' bring
# their own.
KDIR ?= /lib/modules/$(shell uname -r)/build

# A run of torture, or of the fuzzer, that is not to repeat another.
SEED ?= $(shell date +%s)

# Everything but the plain build of modules happens in the tool root, which has what it needs. It ends
# with make, however that does.
ends-with-make := setpriv --pdeathsig KILL
in-root := $(ends-with-make) scripts/in-root

# What the matrix has, for what it has not to be refused before anything is fetched.
series = $(shell sed -n 's/^SERIES = //p' scripts/kernels.py | tr -d '(",)')

.PHONY: modules install modules_install uninstall samples clean run shell test torture fuzz bench jitter matrix mutants deb dkms race cfi coverage series in-tree rust-analyzer check doc fmt clippy shellcheck help

modules: ## build jitimer.ko for the kernel in KDIR (default: the running one)
	@scripts/check-kdir '$(KDIR)' '$(RUSTC)'
	$(MAKE) -C '$(KDIR)' M='$(CURDIR)' modules

install modules_install: ## install what was built for that kernel, as root; SIGN_KEY=, SIGN_CERT=: sign it with these
	@SIGN_KEY='$(SIGN_KEY)' SIGN_CERT='$(SIGN_CERT)' INSTALL_MOD_PATH='$(INSTALL_MOD_PATH)' \
		scripts/install '$(KDIR)' jitimer.ko

uninstall: ## remove what was installed for that kernel
	@INSTALL_MOD_PATH='$(INSTALL_MOD_PATH)' scripts/install --remove '$(KDIR)' jitimer.ko

clean: ## remove what was built in this folder; the cache stays ('scripts/in-root --clean')
	rm -rf build rust-project.json
	find . \( -name .git -o -type d -exec test -e {}/CACHEDIR.TAG \; \) -prune -o -type f \( -name '*.o' -o -name '*.a' -o -name '*.ko' -o -name '*.mod' \
		-o -name '*.mod.c' -o -name '.*.cmd' -o -name '.*.d' -o -name '*.rmeta' \
		-o -name modules.order -o -name Module.symvers -o -name bindings_generated.rs \
		-o -name ktimer_doctests.rs \) \
		-exec rm -f {} +

samples: ## build jitimer and the samples, for KDIR if that is given, else for a stock Debian kernel
ifeq ($(origin KDIR),file)
	@$(in-root) scripts/build.py
else
	@scripts/check-kdir '$(KDIR)' '$(RUSTC)'
	$(MAKE) -C '$(KDIR)' M='$(CURDIR)' KTIMER_SAMPLES=m modules
endif

run: ## boot a stock Debian kernel in a VM, load jitimer.ko there, read /proc/jitimer; S=SAMPLE: that
	@$(in-root) scripts/run.py $(if $(VIRTUAL),--virtual) $(if $(S),--sample '$(S)') \
		$(if $(TDELAY)$(P),--parameters '$(if $(TDELAY),tdelay=$(TDELAY)) $(P)')

shell: ## a prompt in that VM, with jitimer.ko and the samples at hand
	@$(in-root) scripts/run.py --shell

test: ## run all tests in VMs; T=PATTERN runs those whose names match (pytest's -k)
	@$(in-root) scripts/test.py $(if $(T),-k '$(T)')

torture: ## jitimer under torture, for long; SEED=N repeats a run; T= as for test
	@$(in-root) scripts/test.py --torture -k 'test_torture$(if $(T), and ($(T)))' $(if $(SEED),--seed='$(SEED)')

fuzz: ## random system calls on jitimer's file, judged by a model; SECONDS=600, SEED=N, KERNEL=rt; REPLAY=FILE
	@$(in-root) scripts/fuzz.py $(if $(KERNEL),--kernel '$(KERNEL)') $(if $(SECONDS),--seconds '$(SECONDS)') \
		$(if $(REPLAY),--replay '$(REPLAY)',--seed '$(SEED)')

bench: ## what the library costs beside plain C; SCALE=SECONDS: up to 1,024 readers at once instead
	@$(in-root) scripts/bench.py $(if $(OUT),--out '$(OUT)') $(if $(SCALE),--scale '$(SCALE)') $(if $(README),--readme)

jitter: ## record /proc/jitimer in the VM, idle and busy, and make a picture of both
	@$(in-root) scripts/record.py $(if $(VIRTUAL),--virtual) $(if $(README),--readme)

matrix: ## all scenarios on every stock kernel; K=7.3 F=rt A=arm64: on those; README=1: their table
	$(if $(K),$(if $(strip $(foreach each,$(series),$(filter $(K)%,$(each)) $(filter $(each).%,$(K)))),,$(error there is no series '$(K)'; there are: $(series))))
	@$(if $(shell command -v python3),$(ends-with-make),$(in-root)) scripts/matrix.py $(if $(K),--series '$(K)') $(if $(F),--flavour '$(F)') \
		$(if $(A),--arch '$(A)') $(if $(README),--readme)

mutants: ## do tests notice when the sources are broken, one change at a time? N=20: of so many, by SEED=; F=timer.rs
	@$(in-root) scripts/mutants.py $(if $(N),--count '$(N)') $(if $(F),--file '$(F)') $(if $(LIST),--list) \
		$(if $(filter command environment,$(origin SEED)),--seed '$(SEED)')

deb: ## Debian packages of rust_kdir and of jitimer for DKMS, in build/deb
	@$(in-root) scripts/deb.py

dkms: ## those packages in a fresh Debian 13: a kernel, its upgrade, removal
	@$(in-root) --bare true
	@$(in-root) scripts/test.py --dkms

race: ## the scenarios on a kernel that sees data races, of Rust, too; T= as for test
	@$(in-root) scripts/test.py --race $(if $(T),-k '$(T)')

cfi: ## the scenarios on a kernel that checks indirect calls; T= as for test
	@$(in-root) scripts/test.py --cfi $(if $(T),-k '$(T)')

coverage: ## the scenarios of the test kernel, and which lines of src/ they reach; T= as for test
	@$(in-root) scripts/test.py --coverage $(if $(T),-k '$(T)')

series: ## the library as patches for the kernel, in build/series
	@$(in-root) scripts/series.py

in-tree: ## those patches built, booted and checked in the kernel's tree; UML=1: doctests only, in UML
	@$(in-root) scripts/in_tree.py $(if $(UML),--uml)

rust-analyzer: ## rust-project.json, for editors; they are to start 'scripts/in-root rust-analyzer'
	@$(in-root) scripts/rust_analyzer.py

check: fmt clippy doc shellcheck ## all that looks at the sources only

doc: ## the library's documentation, by rustdoc; prints where it is
	@$(in-root) scripts/lint.py doc

fmt: ## is the Rust formatted as the kernel's is?
	@$(in-root) scripts/lint.py fmt

clippy: ## does clippy have something to say?
	@$(in-root) scripts/lint.py clippy

shellcheck: ## does shellcheck?
	@$(in-root) scripts/lint.py shellcheck

help: ## this text
	@echo 'usage: make [TARGET] [NAME=VALUE ...]'
	@echo
	@sed -n 's/^\([a-z-]*\)[a-z_ ]*:.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 16
	@echo
	@echo 'for modules:  KDIR=FOLDER   another kernel to build for'
	@echo 'for run:      VIRTUAL=1     exact virtual time: one instruction is a nanosecond'
	@echo '              TDELAY=N      the parameter tdelay, in jiffies'
	@echo '              S=SAMPLE      $(patsubst samples/%.rs,%,$(wildcard samples/*.rs))'
	@echo "              P='NAME=VALUE ...', its parameters"
	@echo 'for fuzz:     SECONDS=N     how long (default: 600); SEED=N, where random numbers start'
	@echo '              KERNEL=test   or rt, or stock: the machine'
	@echo '              REPLAY=FILE   run the program in FILE, as a finding is kept, 20 times'
	@echo 'for mutants:  N=NUMBER      of so many only, chosen at random; SEED=SEED: others'
	@echo '              F=TEXT        of the files that have this in their path'
	@echo '              LIST=1        show them, and try none'
	@echo 'for bench:    README=1      put the result into the README; for jitter, too'
	@echo '              OUT=FOLDER    for bench.json'
	@echo 'for all:      JITIMER_CACHE=FOLDER, where kernels and tools are kept'
	@echo "              (see 'scripts/in-root --help')"
