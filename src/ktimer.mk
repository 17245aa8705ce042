# SPDX-License-Identifier: GPL-2.0

# The library, for the Kbuild of a module that uses it. $(ktimer-dir) is this folder, as seen from
# that Kbuild's:
#
#	ktimer-dir := ktimer/src
#	include $(src)/$(ktimer-dir)/ktimer.mk
#
#	obj-m := heart.o
#	heart-y := heart_main.o $(ktimer)
#	$(call use-ktimer,heart_main.o)

# The library's objects: Rust, and the C behind it. Each module links both.
ktimer := $(ktimer-dir)/ktimer.o $(ktimer-dir)/helpers.o
ktimer-obj := $(obj)/$(ktimer-dir)

# For those objects of a module that have Rust which uses the library.
use-ktimer = $(foreach user,$(1),$(eval RUSTFLAGS_$(user) := --extern ktimer=$(ktimer-obj)/libktimer.rmeta) \
	$(eval $(obj)/$(user): $(ktimer-obj)/ktimer.o))

# What the kernel crate has of what src/compat.rs stands in for.
ktimer-cfgs := $(if $(wildcard $(srctree)/rust/kernel/interrupt.rs),--cfg ktimer_kernel_interrupt)

# What the library's crate needs beyond what Kbuild gives any crate. Kbuild passes the names of all
# modules that an object is in, unquoted; here they would be several, and the library has none.
RUSTFLAGS_$(ktimer-dir)/ktimer.o := --emit=metadata=$(ktimer-obj)/libktimer.rmeta $(ktimer-cfgs)
$(ktimer-obj)/ktimer.o: private export KTIMER_BINDINGS = $(abspath $(ktimer-obj)/bindings_generated.rs)
$(ktimer-obj)/ktimer.o: private modfile := $(ktimer-obj)/ktimer
$(ktimer-obj)/ktimer.o: $(ktimer-obj)/bindings_generated.rs

# The library's bindings, with the parameters of the kernel's own. Types that the kernel crate has
# bindings for are taken from there. The C flags are those that tell what headers mean; the rest are
# for a compiler that need not be clang.
ktimer-bindgen-flags := $(shell grep -v '^\#' $(srctree)/rust/bindgen_parameters) \
	--no-recursive-allowlist
ktimer-allow := --allowlist-function 'ktimer_.*|proc_create_data|proc_remove' \
	--allowlist-type 'proc_ops' --allowlist-var 'KTIMER_.*'
ktimer-bindgen-cflags = $(filter -Wp$(comma)-MMD$(comma)% -I% -D% -nostdinc -std=% -include %.h \
	-fshort-wchar -funsigned-char -fms-extensions -m64 -mlittle-endian,$(c_flags))

# clang's names of the architectures.
ktimer-target-x86 := x86_64
ktimer-target-arm64 := aarch64

quiet_cmd_ktimer_bindgen = BINDGEN $@
      cmd_ktimer_bindgen = $(BINDGEN) $< $(ktimer-bindgen-flags) $(ktimer-allow) --use-core \
	--with-derive-default --ctypes-prefix ffi --no-layout-tests --no-debug '.*' \
	--enable-function-attribute-detection -o $@ \
	-- --target=$(ktimer-target-$(SRCARCH))-linux-gnu $(ktimer-bindgen-cflags) -w -fno-builtin -D__BINDGEN__ -DMODULE

$(ktimer-obj)/bindings_generated.rs: $(src)/$(ktimer-dir)/bindings_helper.h FORCE
	$(call if_changed_dep,ktimer_bindgen)
targets += $(ktimer-dir)/bindings_generated.rs
