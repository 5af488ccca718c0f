"""The SPDX 2.3 document of an image: what is inside, by Debian package and version."""
import hashlib
import json


def verification_code(files):
    """SPDX 2.3, 7.9: the SHA-1 over the files' SHA-1s in hex, sorted."""
    return hashlib.sha1("".join(sorted(hashlib.sha1(content).hexdigest() for content in files.values())).encode()).hexdigest()


def document(image, version, revision, created, packages, files, own=None):
    """packages: as closure.describe gives them, with "linked": "shared" or "static". files: {path: bytes} of the image. own: the path of this document in it, which cannot list itself."""
    code = {"packageVerificationCodeValue": verification_code(files), **({"packageVerificationCodeExcludedFiles": ["." + own]} if own else {})}
    # The image's files are listed, so it was analyzed; Debian's packages are named, not looked into.
    top = {"SPDXID": "SPDXRef-Image", "name": image, "versionInfo": version, "downloadLocation": "NOASSERTION", "filesAnalyzed": True, "packageVerificationCode": code, "sourceInfo": f"commit {revision}",
           "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION", "copyrightText": "NOASSERTION", "primaryPackagePurpose": "CONTAINER"}
    entries, relations = [top], [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-Image"}]
    for package in sorted(packages, key=lambda p: p["name"]):
        identifier = "SPDXRef-Package-" + package["name"].replace("+", "-plus")
        entries.append({
            "SPDXID": identifier, "name": package["name"], "versionInfo": package["version"], "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
            "supplier": "Organization: Debian", "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION", "copyrightText": "NOASSERTION",
            "licenseComments": f"/usr/share/doc/{package['name']}/copyright in the image", "sourceInfo": f"built from {package['source']} {package['source_version']}",
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                              "referenceLocator": f"pkg:deb/debian/{package['name'].replace('+', '%2B')}@{package['version'].replace('+', '%2B')}?arch={package['architecture']}"}]})
        relations.append({"spdxElementId": "SPDXRef-Image", "relationshipType": "STATIC_LINK" if package["linked"] == "static" else "CONTAINS", "relatedSpdxElement": identifier})
    listed = []
    for number, path in enumerate(sorted(files)):
        listed.append({"SPDXID": f"SPDXRef-File-{number}", "fileName": "." + path, "licenseConcluded": "NOASSERTION", "copyrightText": "NOASSERTION",
                       "checksums": [{"algorithm": "SHA1", "checksumValue": hashlib.sha1(files[path]).hexdigest()},
                                     {"algorithm": "SHA256", "checksumValue": hashlib.sha256(files[path]).hexdigest()}]})
        relations.append({"spdxElementId": "SPDXRef-Image", "relationshipType": "CONTAINS", "relatedSpdxElement": f"SPDXRef-File-{number}"})
    content = hashlib.sha256("".join(hashlib.sha256(files[p]).hexdigest() for p in sorted(files)).encode()).hexdigest()
    return json.dumps({"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": image,
                       "documentNamespace": f"https://spdx.org/spdxdocs/{image}-{version}-{revision}-{content}",
                       "creationInfo": {"created": created, "creators": ["Tool: deploy/images/build.sh"]},
                       "packages": entries, "files": listed, "relationships": relations}, indent=1, sort_keys=True).encode() + b"\n"
