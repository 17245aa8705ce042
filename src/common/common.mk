# SPDX-License-Identifier: GPL-2.0

# What the modules of this repository share on top of the library; after its ktimer.mk.
# $(common-dir) is this folder, as seen from the Kbuild.

common := $(common-dir)/common.o $(common-dir)/helpers.a $(ktimer)
use-common = $(call use-crate,common,$(1)) $(call use-ktimer,$(1))

common-allow := --allowlist-function 'common_helper_.*|proc_create_data|proc_remove' \
	--allowlist-type 'proc_ops' --allowlist-var 'COMMON_.*'
$(eval $(call make-crate,common))
$(call use-ktimer,$(common-dir)/common.o)
