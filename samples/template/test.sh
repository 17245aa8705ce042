# SPDX-License-Identifier: GPL-2.0
#
# Runs in the VM, which has the module here, and busybox. It fails where a command does, and if the
# kernel reports a fault.

set -e
insmod heart.ko
sleep 3.5
rmmod heart
dmesg | grep 'heart: 3 beats'
