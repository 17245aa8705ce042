// SPDX-License-Identifier: GPL-2.0

#include <linux/err.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/path.h>
#include <linux/proc_fs.h>

#include "helpers.h"

void *common_helper_pde_data(const struct inode *inode)
{
	return pde_data(inode);
}

/*
 * Whether procfs has that name, wherever it is mounted and whatever the caller sees of it: the name
 * is looked up in a mount of its own, as uml_mconsole does.
 */
bool common_helper_proc_exists(const char *name)
{
	struct file_system_type *type = get_fs_type("proc");
	struct vfsmount *mnt;
	struct path path;
	bool exists;

	mnt = type ? kern_mount(type) : ERR_PTR(-ENODEV);
	if (IS_ERR(mnt))
		return false;
	exists = !vfs_path_lookup(mnt->mnt_root, mnt, name, 0, &path);
	if (exists)
		path_put(&path);
	kern_unmount(mnt);
	return exists;
}
