# Distributed under the terms of the MIT license

EAPI=8

DESCRIPTION="Sample script that makes a page from the program's line"
HOMEPAGE="https://rookery.example/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm arm64 ppc64 riscv x86"

RDEPEND="app-misc/rookery-hello"

src_unpack() {
	cp "${FILESDIR}"/{Makefile,rookery-web.in,rookery-web.conf} "${S}" || die
}

src_compile() {
	emake EPREFIX="${EPREFIX}"
}

src_install() {
	emake DESTDIR="${D}" EPREFIX="${EPREFIX}" install
}
