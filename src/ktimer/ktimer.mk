# SPDX-License-Identifier: GPL-2.0

# The library, for the Kbuild of a module that uses it. $(ktimer-dir) is this folder, as seen from
# that Kbuild's:
#
#	ktimer-dir := jitimer/src/ktimer
#	include $(src)/$(ktimer-dir)/ktimer.mk
#
#	obj-m := heart.o
#	heart-y := heart_main.o $(ktimer)
#	$(call use-ktimer,heart_main.o)

# The library: Rust, and an archive of the C behind it, of which a module gets what it calls.
ktimer := $(ktimer-dir)/ktimer.o $(ktimer-dir)/helpers.a

# A crate that others use, by its name: $(NAME-dir) has NAME.rs, C functions that it calls in
# helpers/, and bindings/bindings_helper.h for what the bindings of the kernel crate lack, of which
# $(NAME-allow) says what is wanted.
crate-obj = $(obj)/$($(1)-dir)

# Of all of our Rust: every function is compiled where it is used, as those are that are generic, so
# that no module has code which it does not use; and what it is does not depend on where that is done.
ktimer-rustflags := -Zcross-crate-inline-threshold=always --remap-path-prefix=$(src)/=

# $(call use-crate,NAME,OBJECTS): these are Rust that uses the crate, or one that does.
use-crate = $(foreach user,$(2),$(eval RUSTFLAGS_$(user) += $(ktimer-rustflags) --extern $(1)=$(call crate-obj,$(1))/lib$(1).rmeta \
	-Ldependency=$(call crate-obj,$(1))) \
	$(eval $(obj)/$(user): $(call crate-obj,$(1))/$(1).o))
use-ktimer = $(call use-crate,ktimer,$(1))

# $(eval $(call make-crate,NAME)): what such a crate needs beyond what Kbuild gives any. Kbuild
# passes the names of all modules that an object is in, unquoted; here they would be several, and a
# library has none.
define make-crate
RUSTFLAGS_$($(1)-dir)/$(1).o += $(ktimer-rustflags)
RUSTFLAGS_$($(1)-dir)/$(1).o += --emit=metadata=$(call crate-obj,$(1))/lib$(1).rmeta $$(ktimer-cfgs)
$(call crate-obj,$(1))/$(1).o: private export KTIMER_BINDINGS = $(abspath $(call crate-obj,$(1))/bindings/bindings_generated.rs)
$(call crate-obj,$(1))/$(1).o: private modfile := $(call crate-obj,$(1))/$(1)
$(call crate-obj,$(1))/$(1).o: $(call crate-obj,$(1))/bindings/bindings_generated.rs
$(call crate-obj,$(1))/bindings/bindings_generated.rs: private bindgen-allow = $$($(1)-allow)
$(call crate-obj,$(1))/bindings/bindings_generated.rs: $$(src)/$($(1)-dir)/bindings/bindings_helper.h FORCE
	$$(call if_changed_dep,ktimer_bindgen)
targets += $($(1)-dir)/bindings/bindings_generated.rs
$(1)-helpers := $$(patsubst $(src)/%.c,%.o,$$(wildcard $(src)/$($(1)-dir)/helpers/*.c))
$$(addprefix $(obj)/,$$($(1)-helpers)): private part-of-module := y
$(call crate-obj,$(1))/helpers.a: $$(addprefix $(obj)/,$$($(1)-helpers)) FORCE
	$$(call if_changed,ar)
targets += $$($(1)-helpers)
endef

# What the kernel crate has of what the library stands in for where it has not.
ktimer-cfgs := $(if $(wildcard $(srctree)/rust/kernel/interrupt.rs),--cfg ktimer_kernel_interrupt) \
	$(if $(shell grep -s 'enum Jiffy ' $(srctree)/rust/kernel/time.rs),--cfg ktimer_kernel_jiffy)

# Bindings, with the parameters of the kernel's own. Types that the kernel crate has bindings for
# are taken from there. The C flags are those that tell what headers mean; the rest are for a
# compiler that need not be clang. As in the kernel, a helper has the name of what it stands for.
ktimer-bindgen-flags := $(shell grep -v '^\#' $(srctree)/rust/bindgen_parameters) \
	--no-recursive-allowlist
ktimer-bindgen-cflags = $(filter -Wp$(comma)-MMD$(comma)% -I% -D% -nostdinc -std=% -include %.h \
	-fshort-wchar -funsigned-char -fms-extensions -m64 -mlittle-endian,$(c_flags))

# clang's names of the architectures.
ktimer-target-x86 := x86_64
ktimer-target-arm64 := aarch64

quiet_cmd_ktimer_bindgen = BINDGEN $@
      cmd_ktimer_bindgen = $(BINDGEN) $< $(ktimer-bindgen-flags) $(bindgen-allow) --use-core \
	--with-derive-default --ctypes-prefix ffi --no-layout-tests --no-debug '.*' \
	--enable-function-attribute-detection -o $@ \
	-- --target=$(ktimer-target-$(SRCARCH))-linux-gnu $(ktimer-bindgen-cflags) -w -fno-builtin \
	-D__BINDGEN__ -DMODULE; \
	sed -Ezi 's/(link_name = "[^"]*" *\]\s*pub fn )[a-z]+_helper_/\1/g; \
		s/pub fn ([a-z]+_helper_(\w+))/\#[link_name = "\1"] pub fn \2/g' $@

ktimer-allow := --allowlist-function 'ktimer_helper_.*' --allowlist-var 'KTIMER_.*'
$(eval $(call make-crate,ktimer))
