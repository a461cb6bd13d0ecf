# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# What is needed on this machine, and how it comes there. Sourced.
#
#   need_packages GROUP...   installs what these groups lack; returns 1 when it cannot
#
# A line of the table: group, what shows that it is there (command:NAME, module:PKG-CONFIG-NAME, python:MODULE
# of the system's Python, typelib:NAME-VERSION, header:FILE, file:PATH), and its package on Debian and Ubuntu, Fedora, Arch.

package_table() {
    cat <<'END'
build  command:cc                  gcc                     gcc                     gcc
build  header:stdio.h              libc6-dev               glibc-devel             glibc
build  command:meson               meson                   meson                   meson
build  command:ninja               ninja-build             ninja-build             ninja
build  command:pkg-config          pkg-config              pkgconf-pkg-config      pkgconf
build  command:msgfmt              gettext                 gettext                 gettext
build  module:gio-unix-2.0         libglib2.0-dev          glib2-devel             glib2-devel
build  command:gdbus-codegen       libglib2.0-dev-bin      glib2-devel             glib2-devel
build  module:json-glib-1.0        libjson-glib-dev        json-glib-devel         json-glib
try    command:dbus-daemon         dbus                    dbus-daemon             dbus
try    command:busctl              systemd                 systemd                 systemd
try    command:gdbus               libglib2.0-bin          glib2                   glib2
try    command:git                 git                     git                     git
test   python:docutils             python3-docutils        python3-docutils        python-docutils
test   command:bash                bash                    bash                    bash
test   command:zsh                 zsh                     zsh                     zsh
test   command:fish                fish                    fish                    fish
test   command:xgettext            gettext                 gettext                 gettext
test   file:/usr/share/i18n/locales/tr_TR locales          glibc-locale-source     glibc
test   command:localedef           libc-bin                glibc-common            glibc
test   python:gi                   python3-gi              python3-gobject-base    python-gobject
test   module:fuse3                libfuse3-dev            fuse3-devel             fuse3
test   command:fusermount3         fuse3                   fuse3                   fuse3
test   command:appstreamcli        appstream               appstream               appstream
test   command:desktop-file-validate desktop-file-utils    desktop-file-utils      desktop-file-utils
test   command:rsvg-convert        librsvg2-bin            librsvg2-tools          librsvg
test   command:setpriv             util-linux              util-linux              util-linux
test   command:setfacl             acl                     acl                     acl
test   command:useradd             passwd                  shadow-utils            shadow
test   command:systemd-analyze     systemd                 systemd                 systemd
test   file:/usr/lib/polkit-1/polkitd polkitd              polkit                  polkit
test   python:dbusmock             python3-dbusmock        python3-dbusmock        python-dbusmock
test   python:dbus                 python3-dbus            python3-dbus            dbus-python
test   command:gjs                 gjs                     gjs                     gjs
test   command:node                nodejs                  nodejs                  nodejs
test   command:npm                 npm                     nodejs-npm              npm
test   command:promtool            prometheus              golang-github-prometheus prometheus
test   command:dbus-send           dbus-bin                dbus-tools              dbus
test   module:gtk4                 libgtk-4-dev            gtk4-devel              gtk4
test   module:libadwaita-1         libadwaita-1-dev        libadwaita-devel        libadwaita
test   file:/usr/share/icons/Adwaita/index.theme adwaita-icon-theme adwaita-icon-theme adwaita-icon-theme
test   command:Xvfb                xvfb                    xorg-x11-server-Xvfb    xorg-server-xvfb
test   command:xdotool             xdotool                 xdotool                 xdotool
test   file:/usr/share/dbus-1/services/org.a11y.Bus.service at-spi2-core at-spi2-core at-spi2-core
test   typelib:Atspi-2.0           gir1.2-atspi-2.0        at-spi2-core            at-spi2-core
test   command:lsof                lsof                    lsof                    lsof
bench  command:lsof                lsof                    lsof                    lsof
bench  command:fuser               psmisc                  psmisc                  psmisc
boot   command:debootstrap         debootstrap             debootstrap             debootstrap
boot   command:systemd-nspawn      systemd-container       systemd-container       systemd
boot   command:nsenter             util-linux              util-linux-core         util-linux
check  command:clang               clang                   clang                   clang
check  command:clang-format        clang-format            clang-tools-extra       clang
check  command:shellcheck          shellcheck              ShellCheck              shellcheck
END
}

package_is_there() {
    case $1 in
    command:*) command -v "${1#*:}" >/dev/null 2>&1 ;;
    module:*) pkg-config --exists "${1#*:}" 2>/dev/null ;;
    typelib:*) /usr/bin/python3 -c "import gi; gi.require_version('${1#*:}'[:-4], '${1##*-}')" 2>/dev/null ;;
    python:*) /usr/bin/python3 -c "import ${1#*:}" 2>/dev/null ;;
    file:*) [ -e "${1#*:}" ] ;;
    header:*) printf '#include <%s>\n' "${1#*:}" | cc -E -x c -o /dev/null - 2>/dev/null ;;
    esac
}

# Prints the packages of GROUP... that are missing; $1: which column.
package_list_missing() {
    column=$1
    shift
    package_table | while read -r group shown_by debian fedora arch; do
        case " $* " in *" $group "*) ;; *) continue ;; esac
        package_is_there "$shown_by" && continue
        case $column in
        debian) echo "$debian" ;;
        fedora) echo "$fedora" ;;
        arch) echo "$arch" ;;
        esac
    done | sort -u | tr '\n' ' '
}

package_as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif ! command -v sudo >/dev/null 2>&1; then
        echo "This needs root, and there is no sudo here. As root: $*" >&2
        return 1
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

need_packages() {
    if command -v apt-get >/dev/null 2>&1; then
        family=debian
    elif command -v dnf >/dev/null 2>&1; then
        family=fedora
    elif command -v pacman >/dev/null 2>&1; then
        family=arch
    else
        family=unknown
    fi
    if [ "$family" = unknown ]; then
        missing=$(package_list_missing debian "$@")
        [ -z "$missing" ] && return 0
        echo "Missing here, by their Debian names: $missing" >&2
        echo "This script installs with apt-get, dnf and pacman only: please install them and start again." >&2
        return 1
    fi

    missing=$(package_list_missing "$family" "$@")
    [ -z "$missing" ] && return 0
    echo "Installing what is missing: $missing"
    # shellcheck disable=SC2086 # a list
    case $family in
    debian)
        package_as_root apt-get -q -q update &&
            package_as_root env DEBIAN_FRONTEND=noninteractive \
                apt-get -q -q -y --no-install-recommends install $missing
        ;;
    fedora) package_as_root dnf -q -y install $missing ;;
    arch) package_as_root pacman -Sy --noconfirm --needed $missing ;;
    esac </dev/null >"${TMPDIR:-/tmp}/packages.$$" 2>&1
    status=$?
    if [ $status -ne 0 ]; then
        cat "${TMPDIR:-/tmp}/packages.$$" >&2
        echo "The packages could not be installed." >&2
    fi
    rm -f "${TMPDIR:-/tmp}/packages.$$"
    [ $status -eq 0 ] || return 1

    # A name that is right on one release and wrong on the next shows here, not in a strange error later.
    missing=$(package_list_missing "$family" "$@")
    [ -z "$missing" ] && return 0
    echo "Installed, and still not there: $missing" >&2
    return 1
}
